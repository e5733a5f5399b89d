"""The parts of a report: a page without a network, drawn from numbers that a log gave.

====================  ==========================================================================
`story`               what happened, with times: attempts, phases, waits, marks
`timeuse`, `flows`    where the workers' time went; which data flowed between which tasks
`markup`, `scales`    escaping and elements; where numbers lie on an axis
`figures`             figures with their meaning in words, and the first sentence
`charts`              numbers to SVG: bars, waterfall, forest plot, dots, Pareto front
`lanes`, `taskgraph`  a run's swim lanes and its task graph as SVG (`layout` places the tasks)
`spans`               the same run as OpenTelemetry spans
`transcripts`         what each agent said, did and changed, packed for the page
`page`, `run_page`    the shell: styles, script, content security policy; the page of one run
====================  ==========================================================================
"""
