"""What the figures of a comparison mean, in words. docs/experiments.md and docs/metrics.md hold
the whole definitions."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from orchestrator.lab.outcomes import MEASURES, Measure

_MEANINGS = {
    "success": "All tasks succeeded, and the judge passed if there is one. Every trial counts: "
    "failures, ended limits and lost trials stay in.",
    "makespan": "From the first dispatch to the last task; at the limit when the limit of wall "
    "time ended the run.",
    "tasks_passed": "Share of the tasks that succeeded.",
    "tests_passed": "Share of the tests that pass on the final tree.",
    "tests_run": "Tests that were run on the final tree.",
    "tasks_green": "Share of the tasks whose own tests pass on the final tree.",
    "integration_loss": "Share of the tasks whose tests passed as the task left the tree, less the "
    "share whose tests pass at the end.",
    "cross_task_breaks": "Tests of one task that passed after it and fail after another's write.",
    "speedup": "Work divided by makespan.",
    "speedup_solo": "Makespan in mode solo divided by this one: same plan, case and seed.",
    "speedup_agent": "Makespan of the whole job as one task divided by this one.",
    "parallelism": "Work divided by the longest chain of tasks: what the plan allows.",
    "critical_path": "The longest chain of tasks that waited for one another, as it took.",
    "path_share": "Critical path divided by makespan; at 1 no more workers would help.",
    "schedule_quality": "The larger of longest chain and work over workers, divided by makespan.",
    "utilisation": "Share of the workers' time in attempts that did not wait for files.",
    "time_working": "Workers' time in attempts that thought or wrote.",
    "time_commands": "Workers' time in commands, tests included.",
    "time_dependencies": "Workers' time without work because tasks waited for others.",
    "time_files": "Workers' time waiting for files that others held.",
    "time_provider": "Workers' time waiting until the model's provider could be asked.",
    "time_acceptance": "Workers' time waiting to submit, because what they read was not accepted.",
    "time_merge": "Workers' time waiting for their turn to merge.",
    "time_budget": "Workers' time waiting for budget that others had set aside.",
    "time_approval": "Workers' time waiting for a person's approval.",
    "time_start": "Workers' time between the end of a task and the start of the next.",
    "time_none": "Workers' time when there was no ready work.",
    "time_stopped": "Workers' time after they had been stopped.",
    "file_wait": "Time in which tasks waited for files that others held.",
    "provider_wait": "Time in which attempts waited until the model's provider could be asked.",
    "submit_wait": "Time in which finished attempts waited for tasks whose work they had read.",
    "attempts": "Tries at tasks, all together.",
    "turns": "Model replies, all together.",
    "overhead_turns": "Turns more than in mode solo, as a part of those.",
    "rework_seconds": "Time of attempts that were refused, undone or repeated.",
    "rework_share": "That time as a share of all attempts' time.",
    "rework_turns": "Turns of attempts that were not accepted.",
    "rework_tokens": "Model tokens of attempts that were not accepted.",
    "rework_token_share": "Those as a share of all model tokens.",
    "refused_stale": "Writes based on what had changed since.",
    "refused_scope": "Requests for files outside the role's or the task's bounds.",
    "refused_write_rate": "Refused writes divided by attempted ones.",
    "false_refusal_rate": "Refused writes whose regions meet no region that had changed, divided "
    "by all refused writes.",
    "scope_violation_rate": "Requests out of scope divided by all requests for files.",
    "conflicts": "Stale writes that reached the agent.",
    "merges_refused": "Merges that conflicted or failed their tests (mode worktree).",
    "merge_conflicts": "Merges that conflicted in their text (mode worktree).",
    "semantic_conflicts": "Accepted writes or clean merges after which a test fails that passed on "
    "both sides.",
    "anomalies": "Histories that no serial order of the tasks explains, as lost updates.",
    "stale_read_rate": "Reads whose version had moved before the write that depends on them, "
    "divided by all reads followed by such a write.",
    "stale_seconds": "Time in which tasks went on working on a version that had been superseded.",
    "stale_turns": "Turns in which they did.",
    "writes_precision": "Share of the declared files to write that were written.",
    "writes_recall": "Share of the written files that had been declared.",
    "reads_precision": "Share of the declared files to read that were read.",
    "reads_recall": "Share of the read files that had been declared.",
    "messages": "Messages and notes between agents.",
    "message_share": "Those as a share of all actions.",
    "tokens": "Model tokens in and out, all attempts included.",
    "tokens_input": "Model tokens that were sent.",
    "tokens_output": "Model tokens that came back.",
    "tokens_cache_read": "Model tokens that the provider read from its cache.",
    "tokens_cache_write": "Model tokens that the provider wrote to its cache.",
    "overhead_tokens": "Model tokens more than in mode solo, as a part of those.",
    "usd": "By the price list of the program, all attempts included.",
    "usd_per_passed": "Cost of the whole trial divided by the tasks that succeeded.",
    "tokens_per_passed": "Model tokens of the whole trial divided by the tasks that succeeded.",
}

STATISTICS = (
    ("effect", "Ratio (×) of geometric means, where all values are positive; else difference of "
     "means; for rates the difference in points. Trials of the same case and seed are pairs."),
    ("95 % interval", "t interval of the pairs, for rates Newcombe's, for this one comparison. It "
     "is unknown when the spread is."),
    ("p", "Labels shuffled within cases; for rates the test of Cochran, Mantel and Haenszel by "
     "case; for a claim about cases in general Wilcoxon's test of case means. Corrected by "
     "Holm's method: the primary outcome over all arms, all other outcomes together."),
    ("better", "Chance that a trial of the arm is better than one of the baseline, ties half."),
    ("smallest effect seen", "What so many pairs show four times out of five. A smaller one may "
     "be there and go unseen: “none shown” does not say that there is none."),
    ("lost", "An infrastructure failure: the process of the trial died. It counts as no success, "
     "and is left out of times and costs."),
)  # fmt: skip
"""Words of the statistics, with what they mean."""


def meanings(known: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield each outcome's label with what it means and which way is better.

    Args:
        known: names of the outcomes that anything is known of.
    """
    for measure in MEASURES.values():
        if measure.name in known:
            yield measure.label, f"{_MEANINGS.get(measure.name, '')} {_way(measure)}".strip()


def _way(measure: Measure) -> str:
    return "Less is better." if measure.lower_is_better else "More is better."
