"""The rows of one file as typed values, on their way into one dataset: which are good, which are refused or skipped.

A file is read once. One statement reads its text, maps and types it, and holds each row against the dataset's contract
as far as SQL can tell (`contracts.py`): a row that passes is good, and is never looked at again. Any other is in doubt;
it keeps its text, and is looked at closely: what the source says of it, what of it cannot be read exactly, and what the
contract itself says.

Temporary tables: `staged`, a row for each of the file in its order (`rowid + 1` is its number), with a hash of its key;
`doubtful`, those in doubt; `refusals`, those refused, with the first column at fault.

Does not belong here: whether a row is known already, and what is kept.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import duckdb
import pandera.polars as pa

from assets.core.marketplaces import Marketplace
from assets.raw.by_line import IN_WORDS
from assets.raw.by_record import Shape
from assets.raw.contracts import failing_rows, passes
from assets.raw.damage_sql import (
    LEAST_ZEROS,
    ROWS_LOOKED_AT,
    damage_of_id,
    damage_of_value,
    rounded_ids,
    seems_whole,
)
from assets.raw.facts import beside, facts_of
from assets.raw.files import LIMITS, OF_LINES, SUFFIXES, FileRefusedError, UnreadableError, is_document, is_json, quoted
from assets.raw.json_records import EXACT, read_records, records_as_text
from assets.raw.reading import (
    DELIMITERS,
    DIALECTS,
    as_text,
    likely_dialect,
    read_as_text,
    read_by_line,
    refused_if_unreadable,
)
from assets.raw.sources import TEMPORARY_TABLES, TEMPORARY_VIEWS, Source
from assets.raw.times_sql import is_repeated, is_skipped
from assets.raw.typing_sql import Writing, is_blank, local_time, typed
from assets.settings import Limits

ROWS_PER_CHUNK = 500_000
NO_VALUES = "a row without any value"


class Staging:
    """One file as the rows of one dataset, in temporary tables of a connection. Raises `FileRefusedError`."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        path: Path,
        source: Source,
        joined: Mapping[str, Path],
        marketplaces: Mapping[str, Marketplace],
        limits: Limits = LIMITS,
    ):
        self.con, self.path, self.source, self.dataset, self.joined = con, path, source, source.dataset, joined
        self.marketplaces, self.limits = marketplaces, limits
        self.facts = facts_of(path) if source.select else {}
        self.rows_read = 0
        self.ignored_columns: tuple[str, ...] = ()
        """Columns of a canonical file that nobody asked for."""
        self.encoding: str | None = None
        """In words, of a file that had to be read line by line."""
        self.writing = Writing(forms=source.times, has_decimal_comma=source.has_decimal_comma)
        self.zones: tuple[str, ...] = ()
        """Of times without an offset."""
        self.rounded: tuple[str, ...] = ()
        """Columns whose ids a spreadsheet has cut to fifteen digits."""
        self.times_repeated = self.times_skipped = 0
        """Rows with a local time that a clock change repeats, or skips."""

    @cached_property
    def schema(self) -> pa.DataFrameSchema:
        """The contract."""
        return self.dataset.schema_for(self.marketplaces)

    @property
    def tells_of_faults(self) -> bool:
        """Whether `input_text` says of each row what is wrong with it, whatever a source makes of it."""
        return self.encoding is not None or is_json(self.path)

    def run(self, on_rows: Callable[[int], None]) -> None:
        """Make the tables; `on_rows` is told the number of rows when they are read."""
        self.stage_file()
        self.rounded = tuple(name for name in self.dataset.ids if self.is_rounded(name))
        if self.rounded:  # once more, with these in doubt as well
            self.forget()
            self.stage_file()
        on_rows(self.rows_read)
        self.look_closely()
        self.hold_against_contract()
        if self.source.select is not None and self.writing.zone is not None:
            self.count_clock_changes()

    def forget(self) -> None:
        """Drop the temporary tables: they hold memory, and the next file shall not see them."""
        for view in TEMPORARY_VIEWS:
            self.con.execute(f"drop view if exists temp.{view}")
        for table in (*TEMPORARY_TABLES, *self.joined):
            self.con.execute(f"drop table if exists temp.{table}")

    # -- from file to typed rows --------------------------------------------------------------------------------

    def stage_file(self) -> None:
        """`staged`, of the file."""
        if self.source.select is None:
            self.stage_canonical()
        else:
            self.stage_mapped()

    def stage_canonical(self) -> None:
        """`staged`, of a file in the dataset's own columns."""
        columns = tuple(self.dataset.columns)
        if is_document(self.path):
            self.stage_records(columns)
        else:
            try:
                with refused_if_unreadable():
                    text = as_text(self.path, dialect=self.source.dialect, columns=columns, limits=self.limits)
                    self.stage_text(f"({text})")
            except UnreadableError as error:
                if is_json(self.path):
                    self.stage_records(columns)
                    self.encoding = IN_WORDS["utf-8"]
                else:
                    self.read_by_line(error, columns)
                    self.stage_text("input_text")
        self.rows_read = self.number("select count(*) from staged")

    def stage_records(self, columns: tuple[str, ...]) -> None:
        """`staged`, of JSON that is read record by record."""
        read_records(self.con, self.path, "input_text", limits=self.limits)
        self.stage_text(f"({records_as_text('input_text', columns)})")

    def stage_text(self, text: str) -> None:
        """`staged`, from a table or query of text in the dataset's columns; of lines, with those at fault."""
        given = self.columns_of(text)
        own = OF_LINES if OF_LINES[1] in given else ()
        self.ignored_columns = tuple(name for name in given if name not in (*self.dataset.columns, *own))
        self.stage(text, given, own, keep_rows=True)

    def stage_mapped(self) -> None:
        """`staged`, of any other file: its text, and that of each file joined to it, then the source's SELECT."""
        for table, file in self.joined.items():
            try:
                self.read_text(file, table, Shape(self.source.shape.records))
            except FileRefusedError as error:
                raise FileRefusedError(f"{file.name}, which is read with it: {error}") from error
            if is_json(file):
                self.con.execute(f"update {table} set as_came = {EXACT} where {EXACT} is not null")
                self.con.execute(f"alter table {table} drop {EXACT}")
        try:
            self.rows_read = self.read_text(self.path, "input_text", self.source.shape)
        except UnreadableError as error:
            self.read_by_line(error)
        given = self.columns_of("input_text")
        lacking = "".join(f", cast(null as varchar) as {name}" for name in self.source.optional if name not in given)
        # What cannot be taken exactly is not shown to the source: it might fail on it.
        taken = f"case when refused is null then coalesce({EXACT}, as_came) end as as_came"
        text = f"* exclude ({EXACT}) replace ({taken})" if is_json(self.path) else "*"
        self.con.execute(f"create temp view input as select rowid + 1 as row_number, {text}{lacking} from input_text")
        self.tell()
        try:
            self.con.execute(f"""
                create temp table mapped as
                select * replace (cast(row_number as bigint) as row_number) from (
                    {self.source.select}
                ) order by row_number""")
        except (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.OutOfRangeException) as error:
            # The engine would show the value, which may be personal.
            raise FileRefusedError(
                f"the source {self.source.name} fails on a value of it; use try_cast or try_strptime there"
            ) from error
        except duckdb.Error as error:
            reason = str(error).splitlines()[0]
            raise FileRefusedError(f"the source {self.source.name} does not fit it: {reason}") from error
        given = self.columns_of("mapped")
        if "row_number" not in given:
            raise FileRefusedError(f"as {self.dataset.name} it lacks the column row_number")
        rows, different = self.con.execute("""
            select count(*), count(distinct row_number) filter (row_number in (select row_number from input))
            from mapped""").fetchall()[0]
        if (rows, different) != (self.rows_read, self.rows_read):
            raise FileRefusedError(
                f"the source {self.source.name} makes {rows:,} rows of {different:,} of its {self.rows_read:,}; it must"
                " give each row once and say `skipped` or `refused`"
            )
        if self.tells_of_faults:
            # A line at fault stays one, whatever the source makes of it.
            others = "* exclude (refused)" if "refused" in given else "*"
            said = ["input_text.refused", *(["mapped.refused"] if "refused" in given else [])]
            if is_json(self.path):
                texts = [name for name in self.dataset.columns if name in given]
                said += [
                    f"case when {_is_several(f'mapped.{name}')} then '{name}: a single value' end" for name in texts
                ]
            self.con.execute(f"""
                create temp table with_faults as
                select mapped.{others}, coalesce({", ".join(said)}, null) as refused
                from mapped join input_text on input_text.rowid + 1 = mapped.row_number
                order by row_number""")
            given = self.columns_of("with_faults")
        own = [name for name in ("refused", "skipped", "time_zone") if name in given]
        self.zones = self.zones_given("time_zone" in own)
        self.stage("with_faults" if self.tells_of_faults else "mapped", given, own, keep_rows=False)

    def read_text(self, file: Path, table: str, shape: Shape) -> int:
        """A file as a table of text, of JSON its records; returns its rows."""
        if is_json(file):
            return read_records(self.con, file, table, shape=shape, limits=self.limits)
        return read_as_text(self.con, file, table, dialect=self.source.dialect, limits=self.limits)

    def tell(self) -> None:
        """`fact(name)`, what was told of the file, and `marketplaces`, for the source's SELECT."""
        for name in self.source.facts:
            if name not in self.facts:
                raise FileRefusedError(
                    f"it does not say its {name}: put it into a folder {name}=…, call it …_{name}=…{self.path.suffix},"
                    f' or put a file {beside(self.path).name} beside it that says {name} = "…"'
                )
        told = self.facts.get("marketplace")
        if told and self.source.asks("marketplace") and told not in self.marketplaces:
            raise FileRefusedError(f"its marketplace is told as {told!r}, which marketplaces.csv does not list")
        cases = " ".join(f"when {quoted(name)} then {quoted(value)}" for name, value in self.facts.items())
        told = f"case name {cases} end" if cases else "null"
        self.con.execute(f"create or replace temp macro fact(name) as cast({told} as varchar)")
        self.con.execute("create temp table marketplaces (marketplace_id varchar, domain varchar, time_zone varchar)")
        for each in self.marketplaces.values():
            row = [each.marketplace_id, each.domain, each.time_zone]
            self.con.execute("insert into marketplaces values (?, ?, ?)", row)

    def zones_given(self, by_row: bool) -> tuple[str, ...]:
        """The zones of times without an offset: the source's, and those of its rows."""
        given = {self.source.zone} if self.source.zone else set()
        if by_row:
            given |= {row[0] for row in self.con.execute("select distinct time_zone from mapped").fetchall() if row[0]}
            known = {row[0] for row in self.con.execute("select name from pg_timezone_names()").fetchall()}
            if given - known:
                raise FileRefusedError(f"the source {self.source.name} gives a time zone that there is not")
        return tuple(sorted(given))

    def read_by_line(self, why: UnreadableError, columns: tuple[str, ...] = ()) -> None:
        """`input_text`, of a file that breaks the rules of its format; its lines at fault say so."""
        self.rows_read, self.encoding = read_by_line(
            self.con, self.path, "input_text", why=why, dialect=self.source.dialect, columns=columns, limits=self.limits
        )

    def stage(self, text: str, given: Sequence[str], own: Sequence[str], *, keep_rows: bool) -> None:
        """`staged`, from a table or query of text that has the columns given, some of them `own` beside the dataset's.

        `keep_rows` keeps rows in doubt as they came as well.
        """
        missing = [name for name in self.dataset.required if name not in given]
        if missing:
            likely = None if self.source.dialect else likely_dialect(self.path)
            hint = f"; its values seem to be delimited by {DELIMITERS[likely.delimiter]!r}" if likely else ""
            what = f"{'column' if len(missing) == 1 else 'columns'} {', '.join(missing)}"
            raise FileRefusedError(f"as {self.dataset.name} it lacks the {what}{hint}")
        columns = self.dataset.columns
        place = {name: f"text_{number}" for number, name in enumerate(given)}
        came = {
            name: f"cast({place[name]} as varchar)"
            if name in given and name in (*columns, *own)
            else "cast(null as varchar)"
            for name in (*columns, "refused", "skipped", "time_zone")
        }
        constant = quoted(self.source.zone) if self.source.zone else None
        zone = f"coalesce({came['time_zone']}, {constant or 'null'})" if "time_zone" in own else constant
        self.writing = replace(self.writing, zone=zone, zones=self.zones)
        values = ", ".join(
            f"{typed(came[name], kind, self.writing, self.limits.longest_value)} as {name}"
            for name, kind in columns.items()
        )
        is_made = self.source.select is not None
        whole = "".join(
            f" and {seems_whole(name, is_made=is_made, is_rounded=name in self.rounded)}" for name in self.dataset.ids
        )
        readable = " and ".join(
            f"case when {name} is null then {is_blank(came[name])} else true end"
            for name in columns
            if name not in self.dataset.required
        )
        unreadable = " ".join(f"when {name} is null and not {is_blank(came[name])} then '{name}'" for name in columns)
        self.con.execute(f"""
            create temp table staged as
            select
                {", ".join(columns)}, hash({", ".join(self.dataset.key)}) as key_hash,
                case when not coalesce(
                    {came["refused"]} is null and {came["skipped"]} is null
                    and {readable or "true"} and {passes(self.schema)}{whole}, false
                ) then struct_pack(
                    refused := {came["refused"]},
                    skipped := case when {came["refused"]} is null then {came["skipped"]} end,
                    unreadable := case {unreadable} end,
                    texts := case when {came["refused"]} is not null or {came["skipped"]} is null
                        then [{", ".join(came[name] for name in columns)}] end,
                    as_came := {_as_json(place) if keep_rows else "cast(null as varchar)"}
                ) end as doubt
            from (
                select {values}, {", ".join(place.values())}
                from (select {", ".join(f"{_name(name)} as {place[name]}" for name in given)} from {text})
            )""")

    # -- refused rows -------------------------------------------------------------------------------------------

    def look_closely(self) -> None:
        """`doubtful`: the rows in doubt, with what is known of each, and the row as it came."""
        if self.source.select is None:
            came = ""
        else:
            as_came = _as_json({name: _name(name) for name in self.columns_of("input_text")})
            # Most rows of some files are skipped: nobody will ask how they came.
            asked = "select rowid from staged where doubt is not null and doubt.skipped is null"
            rows = f"select rowid + 1 as row_number, {as_came} as json from input_text where rowid in ({asked})"
            came = f"left join ({rows}) as came using (row_number)"
        suffix = SUFFIXES.search(self.path.name)
        is_delimited = suffix is not None and suffix["format"].lower() in DIALECTS
        # A spreadsheet leaves rows of nothing but delimiters; an object without a value says something wrong.
        has_none = "coalesce(starts_with(as_came, '{') and not regexp_matches(as_came, '\":\"[^\"]'), false)"
        is_empty = has_none if is_delimited else "false"
        self.con.execute(f"""
            create temp table doubtful as
            select * exclude (is_empty) replace (
                case when not is_empty then refused end as refused,
                case when is_empty then '{NO_VALUES}' else skipped end as skipped
            )
            from (
                select *, {is_empty} as is_empty
                from (
                    select
                        row_number, {", ".join(self.dataset.columns)}, doubt.refused as refused,
                        doubt.skipped as skipped, doubt.unreadable as unreadable, doubt.texts as texts,
                        {"came.json" if came else "doubt.as_came"} as as_came
                    from (select rowid + 1 as row_number, * from staged where doubt is not null) {came}
                )
            )
            order by row_number""")

    def hold_against_contract(self) -> None:
        """`refusals`: each row that the source, the typing or the contract refuses, with the first column at fault."""
        reasons = " ".join(
            f"when {quoted(name)} then {self.why_unreadable(f'texts[{place}]', kind)}"
            for place, (name, kind) in enumerate(self.dataset.columns.items(), start=1)
        )
        damaged = "".join(
            f"""
            union all
            select row_number, {quoted(name)}, {damage_of_id(name, is_rounded=name in self.rounded)} as damage
            from doubtful where refused is null and skipped is null and damage is not null"""
            for name in self.dataset.ids
        )
        self.con.execute(f"""
            create temp table failures as
            select row_number, split_part(refused, ': ', 1) as column_name,
                substr(refused, strpos(refused, ': ') + if(strpos(refused, ': ') > 0, 2, 1)) as check_name
            from doubtful where refused is not null
            union all
            select row_number, unreadable, case unreadable {reasons} end
            from doubtful where refused is null and skipped is null and unreadable is not null
            {damaged}""")
        columns = ", ".join(_within_python(name, kind) for name, kind in self.dataset.columns.items())
        for start in range(0, self.number("select count(*) from doubtful"), ROWS_PER_CHUNK):
            chunk = self.con.sql(f"""
                select row_number, {columns} from doubtful
                where rowid >= {start} and rowid < {start + ROWS_PER_CHUNK} and refused is null and skipped is null
                order by row_number""").pl()
            failing = failing_rows(self.schema, chunk)
            if failing is not None:
                self.con.execute("insert into failures select row_number, column_name, check_name from failing")
        # What cannot be read is null, so that the contract may refuse it as well: the first failure of a row counts,
        # in the order of columns, and within one column that of the reading.
        position = " ".join(f"when '{name}' then {n}" for n, name in enumerate(self.dataset.columns))
        self.con.execute(f"""
            create temp table refusals as
            select row_number, column_name, check_name from failures
            qualify row_number() over (
                partition by row_number order by case column_name {position} else -1 end, rowid
            ) = 1""")

    def why_unreadable(self, text: str, kind: str) -> str:
        """The expression of what a good value is, and of what a spreadsheet has done to this one where it shows."""
        good = quoted(self.writing.how_to_read(kind))
        damage = damage_of_value(text, kind, has_decimal_comma=self.writing.has_decimal_comma)
        return f"{good} || coalesce('; ' || {damage}, '')"

    def is_rounded(self, column: str) -> bool:
        """Whether a spreadsheet has cut the ids of a column to fifteen digits: no long one is whole."""
        for rows in (ROWS_LOOKED_AT, None):
            ((whole, zeros),) = self.con.execute(rounded_ids(column, "staged", rows)).fetchall()
            if whole or not zeros:
                return False
        return zeros >= LEAST_ZEROS

    # -- clock changes ------------------------------------------------------------------------------------------

    def count_clock_changes(self) -> None:
        """Count the rows with a local time that a clock change repeats or skips, which was read by rule."""
        mapped = "with_faults" if self.tells_of_faults else "mapped"
        given = self.columns_of(mapped)
        instants = [name for name, kind in self.dataset.columns.items() if kind == "TIMESTAMP" and name in given]
        zone = f"cast({'mapped.time_zone' if 'time_zone' in given else 'null'} as varchar)"
        zone = f"coalesce({zone}, {quoted(self.source.zone)})" if self.source.zone else zone
        times = " union all ".join(f"select {name} as instant from staged" for name in instants)
        near = " union all ".join(
            f"""
            select
                staged.rowid + 1 as row_number, {zone} as zone,
                {local_time(f"cast(mapped.{name} as varchar)", self.writing)} as local
            from staged positional join {mapped} as mapped
            where cast(staged.{name} as date) in (from days)"""
            for name in instants
        )
        zones = ", ".join(f"({quoted(name)})" for name in self.zones)
        if not instants or not zones:
            return
        ((self.times_repeated, self.times_skipped),) = self.con.execute(f"""
            with span as (
                select min(instant) as earliest, max(instant) as latest from ({times})
            ),
            every as (
                select unnest(generate_series(
                    date_trunc('day', earliest) - interval 2 days, latest + interval 1 day, interval 1 day
                )) as day
                from span
            ),
            offsets as (
                select day, zone, timezone(zone, timezone('UTC', day)) - day as ahead
                from every cross join (values {zones}) as zones (zone)
            ),
            changes as (
                select day from offsets
                qualify ahead <> lead(ahead) over (partition by zone order by day)
            ),
            days as (
                select cast(day as date) from changes union select cast(day as date) + 1 from changes
            ),
            near as ({near})
            select
                count(distinct row_number) filter ({is_repeated("local", "zone")}),
                count(distinct row_number) filter ({is_skipped("local", "zone")})
            from near
            where local is not null and zone is not null
                and row_number not in (select row_number from refusals)
                and row_number not in (select row_number from doubtful where skipped is not null)""").fetchall()

    def columns_of(self, table: str) -> list[str]:
        """The columns of a table, or of a query in brackets."""
        return [row[0] for row in self.con.execute(f"describe (from {table})").fetchall()]

    def number(self, query: str) -> int:
        """What a query counts."""
        return self.con.execute(query).fetchall()[0][0]


def _within_python(name: str, kind: str) -> str:
    """A column, its instants no earlier or later than Python can tell: it shall say that they are out of bounds."""
    if kind != "TIMESTAMP":
        return name
    first, last = "timestamp '0001-01-01'", "timestamp '9999-12-31'"
    return f"case when {name} < {first} then {first} when {name} > {last} then {last} else {name} end as {name}"


def _as_json(values: Mapping[str, str]) -> str:
    """A row of text as it came, of the expression of each of its columns: the line if it was kept, or an object."""
    others = OF_LINES if OF_LINES[1] in values else ()
    pairs = ", ".join(f"{quoted(name)}, {value}" for name, value in values.items() if name not in others)
    return f"coalesce({values.get('as_came', 'null')}, cast(json_object({pairs}) as varchar))"


def _is_several(column: str) -> str:
    """Whether what was taken from JSON is an object or an array, which no value is."""
    text = f"cast({column} as varchar)"
    return f"substr({text}, 1, 1) in ('{{', '[') and json_valid({text})"


def _name(column: str) -> str:
    return '"{}"'.format(column.replace('"', '""'))
