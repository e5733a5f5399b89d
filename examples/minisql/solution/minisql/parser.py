"""From SQL text to the syntax tree, by recursive descent.

::

    expression     = or
    or             = and {OR and}
    and            = not {AND not}
    not            = NOT not | comparison
    comparison     = additive [("=" | "<>" | "!=" | "<" | "<=" | ">" | ">=") additive
                   | IS [NOT] NULL | [NOT] IN (expression, …)
                   | [NOT] BETWEEN additive AND additive | [NOT] LIKE additive]
    additive       = multiplicative {("+" | "-" | "||") multiplicative}
    multiplicative = unary {("*" | "/" | "%") unary}
    unary          = "-" unary | primary
    primary        = literal | (expression) | CASE … END | name([DISTINCT] …) | [name.]name
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from minisql.errors import SqlSyntaxError
from minisql.lexer import tokenize
from minisql.syntax_tree import (
    Between,
    Binary,
    Call,
    Case,
    Column,
    CreateTable,
    Delete,
    DropTable,
    Explain,
    Expression,
    InList,
    Insert,
    IsNull,
    Join,
    Like,
    Literal,
    OrderItem,
    Select,
    SelectItem,
    Star,
    Statement,
    TableRef,
    Unary,
    Update,
)
from minisql.tokens import Token, TokenKind
from minisql.types import ColumnDef, Value, type_named

_T = TypeVar("_T")


def parse(text: str) -> tuple[Statement, ...]:
    """Return the statements of `text`, which semicolons separate; empty ones are left out.

    An operator ``!=`` becomes ``<>``; ``CASE x WHEN v THEN …`` becomes
    ``CASE WHEN x = v THEN …``; ``FROM a, b`` becomes an inner join without condition; a length
    after a type, as in ``varchar(20)``, is read and ignored.

    Raises:
        SqlSyntaxError: ``expected FROM, found name 'x'`` and the like, with line and column of
            the token found.
        SqlTypeError: a column has an unknown type.
    """
    parser = _Statements(text)
    statements: list[Statement] = []
    while not parser.at_end():
        if not parser.accept(";"):
            statements.append(parser.statement())
            parser.expect_end(";")
    return tuple(statements)


def parse_expression(text: str) -> Expression:
    """Return the expression that `text` is, as a whole.

    Raises:
        SqlSyntaxError: as `parse`.
    """
    parser = _Expressions(text)
    expression = parser.expression()
    parser.expect_end()
    return expression


class _Tokens:
    """The tokens not read yet; the next one is the last of the list."""

    def __init__(self, text: str) -> None:
        self._left = tokenize(text)[::-1]

    def peek(self, ahead: int = 0) -> Token:
        return self._left[-1 - ahead]

    def take(self) -> Token:
        return self._left.pop()

    def at_end(self) -> bool:
        return self.peek().kind is TokenKind.END

    def accept(self, *texts: str) -> str:
        """Take the next token if it is one of these keywords or symbols; its text or ""."""
        return self.take().text if self.peek().matches(*texts) else ""

    def accept_all(self, *texts: str) -> bool:
        """Take these keywords if the first of them is next; the others must follow."""
        if not self.accept(texts[0]):
            return False
        for text in texts[1:]:
            self.expect(text)
        return True

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise self.unexpected(text)

    def expect_end(self, *separators: str) -> None:
        if not self.at_end() and not self.accept(*separators):
            raise self.unexpected("end of statement")

    def name(self, what: str = "a name") -> str:
        if self.peek().kind is not TokenKind.NAME:
            raise self.unexpected(what)
        return self.take().text

    def integer(self, what: str = "an integer") -> int:
        if self.peek().kind is not TokenKind.INTEGER:
            raise self.unexpected(what)
        return int(self.take().text)

    def list_of(self, item: Callable[[], _T]) -> tuple[_T, ...]:
        """One or more items with commas between them."""
        items = [item()]
        while self.accept(","):
            items.append(item())
        return tuple(items)

    def in_parentheses(self, item: Callable[[], _T]) -> tuple[_T, ...]:
        self.expect("(")
        items = self.list_of(item)
        self.expect(")")
        return items

    def unexpected(self, wanted: str) -> SqlSyntaxError:
        found = self.peek()
        message = f"expected {wanted}, found {found.describe()}"
        return SqlSyntaxError(message, found.line, found.column)


class _Expressions(_Tokens):
    """The part of the grammar that is about expressions."""

    def expression(self) -> Expression:
        return self._chain(self._and, "OR")

    def _and(self) -> Expression:
        return self._chain(self._not, "AND")

    def _not(self) -> Expression:
        return Unary("NOT", self._not()) if self.accept("NOT") else self._comparison()

    def _comparison(self) -> Expression:
        left = self._additive()
        operator = self.accept("=", "<>", "!=", "<", "<=", ">", ">=")
        if operator:
            return Binary("<>" if operator == "!=" else operator, left, self._additive())
        if self.accept("IS"):
            negated = bool(self.accept("NOT"))
            self.expect("NULL")
            return IsNull(left, negated)
        negated = bool(self.accept("NOT"))
        if self.accept("IN"):
            return InList(left, self.in_parentheses(self.expression), negated)
        if self.accept("LIKE"):
            return Like(left, self._additive(), negated)
        if self.accept("BETWEEN"):
            low = self._additive()
            self.expect("AND")
            return Between(left, low, self._additive(), negated)
        if negated:
            raise self.unexpected("IN, LIKE or BETWEEN")
        return left

    def _additive(self) -> Expression:
        return self._chain(self._multiplicative, "+", "-", "||")

    def _multiplicative(self) -> Expression:
        return self._chain(self._unary, "*", "/", "%")

    def _chain(self, part: Callable[[], Expression], *operators: str) -> Expression:
        left = part()
        while operator := self.accept(*operators):
            left = Binary(operator, left, part())
        return left

    def _unary(self) -> Expression:
        return Unary("-", self._unary()) if self.accept("-") else self._primary()

    def _primary(self) -> Expression:
        if self.peek().kind is TokenKind.NAME:
            return self._named()
        if self.accept("("):
            inner = self.expression()
            self.expect(")")
            return inner
        return self._case() if self.accept("CASE") else Literal(self.literal())

    def literal(self) -> Value:
        words: dict[str, Value] = {"NULL": None, "TRUE": True, "FALSE": False}
        if word := self.accept(*words):
            return words[word]
        if self.peek().kind is TokenKind.STRING:
            return self.take().text
        return self._number("an expression")

    def _number(self, what: str) -> int | float:
        if self.peek().kind is TokenKind.REAL:
            return float(self.take().text)
        return self.integer(what)

    def _named(self) -> Expression:
        name = self.take().text
        if self.accept("."):
            return Column(self.name("a column"), name)
        if not self.accept("("):
            return Column(name)
        if self.accept("*"):
            self.expect(")")
            return Call(name, star=True)
        distinct = bool(self.accept("DISTINCT"))
        arguments: tuple[Expression, ...] = ()
        if not self.peek().matches(")"):
            arguments = self.list_of(self.expression)
        self.expect(")")
        return Call(name, arguments, distinct)

    def _case(self) -> Expression:
        subject = None if self.peek().matches("WHEN") else self.expression()
        self.expect("WHEN")
        branches = [self._branch(subject)]
        while self.accept("WHEN"):
            branches.append(self._branch(subject))
        default = self.expression() if self.accept("ELSE") else Literal(None)
        self.expect("END")
        return Case(tuple(branches), default)

    def _branch(self, subject: Expression | None) -> tuple[Expression, Expression]:
        when = self.expression()
        self.expect("THEN")
        return (when if subject is None else Binary("=", subject, when)), self.expression()


class _Statements(_Expressions):
    """The whole grammar."""

    def statement(self) -> Statement:
        handlers: dict[str, Callable[[], Statement]] = {
            "SELECT": self._select,
            "INSERT": self._insert,
            "UPDATE": self._update,
            "DELETE": self._delete,
            "CREATE": self._create,
            "DROP": self._drop,
            "EXPLAIN": self._explain,
        }
        word = self.accept(*handlers)
        if not word:
            raise self.unexpected("a statement")
        return handlers[word]()

    def _explain(self) -> Explain:
        self.expect("SELECT")
        return Explain(self._select())

    def _select(self) -> Select:
        distinct = bool(self.accept("DISTINCT"))
        items = self.list_of(self._item)
        source, joins = self._from()
        return Select(
            items=items,
            source=source,
            joins=joins,
            where=self._where(),
            group_by=self.list_of(self.expression) if self.accept_all("GROUP", "BY") else (),
            having=self.expression() if self.accept("HAVING") else None,
            order_by=self.list_of(self._order) if self.accept_all("ORDER", "BY") else (),
            limit=self.integer() if self.accept("LIMIT") else None,
            offset=self.integer() if self.accept("OFFSET") else 0,
            distinct=distinct,
        )

    def _item(self) -> SelectItem:
        if self.accept("*"):
            return SelectItem(Star())
        is_name = self.peek().kind is TokenKind.NAME
        if is_name and self.peek(1).matches(".") and self.peek(2).matches("*"):
            return SelectItem(Star((self.take(), self.take(), self.take())[0].text))
        return SelectItem(self.expression(), self._alias())

    def _alias(self) -> str | None:
        if self.accept("AS") or self.peek().kind is TokenKind.NAME:
            return self.name("an alias")
        return None

    def _from(self) -> tuple[TableRef | None, tuple[Join, ...]]:
        if not self.accept("FROM"):
            return None, ()
        source = self._table()
        joins: list[Join] = []
        while join := self._join():
            joins.append(join)
        return source, tuple(joins)

    def _table(self) -> TableRef:
        name = self.name("a table")
        return TableRef(name, self._alias() or name)

    def _join(self) -> Join | None:
        if self.accept(","):
            return Join(self._table())
        if self.accept("LEFT"):
            self.accept("OUTER")
            return self._joined("left")
        if self.accept("INNER") or self.peek().matches("JOIN"):
            return self._joined("inner")
        return None

    def _joined(self, kind: str) -> Join:
        self.expect("JOIN")
        table = self._table()
        self.expect("ON")
        return Join(table, self.expression(), "left" if kind == "left" else "inner")

    def _where(self) -> Expression | None:
        return self.expression() if self.accept("WHERE") else None

    def _order(self) -> OrderItem:
        expression = self.expression()
        return OrderItem(expression, self.accept("ASC", "DESC") == "DESC")

    def _insert(self) -> Insert:
        self.expect("INTO")
        table = self.name("a table")
        columns = self.in_parentheses(self.name) if self.peek().matches("(") else ()
        self.expect("VALUES")
        rows = self.list_of(lambda: self.in_parentheses(self.expression))
        return Insert(table, columns, rows)

    def _update(self) -> Update:
        table = self.name("a table")
        self.expect("SET")
        return Update(table, self.list_of(self._assignment), self._where())

    def _assignment(self) -> tuple[str, Expression]:
        column = self.name("a column")
        self.expect("=")
        return column, self.expression()

    def _delete(self) -> Delete:
        self.expect("FROM")
        return Delete(self.name("a table"), self._where())

    def _create(self) -> CreateTable:
        self.expect("TABLE")
        if_not_exists = self.accept_all("IF", "NOT", "EXISTS")
        name = self.name("a table")
        return CreateTable(name, self.in_parentheses(self._column), if_not_exists)

    def _drop(self) -> DropTable:
        self.expect("TABLE")
        if_exists = self.accept_all("IF", "EXISTS")
        return DropTable(self.name("a table"), if_exists)

    def _column(self) -> ColumnDef:
        name, kind = self.name("a column"), type_named(self.name("a type"))
        if self.peek().matches("("):
            self.in_parentheses(self.integer)
        flags = {"not_null": False, "unique": False, "primary_key": False}
        default: Value = None
        while word := self.accept("NOT", "UNIQUE", "PRIMARY", "DEFAULT"):
            match word:
                case "NOT":
                    self.expect("NULL")
                    flags["not_null"] = True
                case "PRIMARY":
                    self.expect("KEY")
                    flags["primary_key"] = True
                case "UNIQUE":
                    flags["unique"] = True
                case _:
                    default = -self._number("a number") if self.accept("-") else self.literal()
        return ColumnDef(name, kind, default=default, **flags)
