"""Reading a study from a TOML file; `assets/studies/` holds some."""

import tomllib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from utils.errors import DataError, OptionError
from utils.paths import MISSING, no_file, read_bytes
from utils.settings import SettingsError
from utils.studies.grids import GridSettings
from utils.studies.options import COMMANDS, Options
from utils.studies.parts import AreaSettings, CellRule, FoldSettings, StudyData, StudyNetwork, StudyVariant
from utils.studies.settings import StudySettings
from utils.suggest import unknown

_KINDS = {str: "text", int: "a whole number", list: "a list", dict: "a table", float: "a number"}


def read_study(path: Path) -> StudySettings:
    """Read a study. Paths in the file are taken from the folder that the command runs in, as those of options are.

    Raises:
        OptionError: no such file.
        DataError: it is no TOML, or holds an unknown key or a value that cannot be used.
    """
    if (fault := no_file(path)) is not None:
        found = f"no study at {path}" if fault == MISSING else f"{path} {fault}"
        raise OptionError(f"{found}; give a TOML file such as assets/studies/demo.toml")
    try:
        raw = tomllib.loads(read_bytes(path, OptionError).decode("utf-8-sig"), parse_float=Decimal)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path} is no TOML ({error}); correct it") from error
    try:
        return _study(_Table(raw, "the study"))
    except SettingsError as error:
        raise DataError(f"{path}: {error}") from error


class _Table:
    """A table of the file, whose keys are taken one after the other; what is left is unknown.

    Args:
        raw: the table.
        what: it is of, for messages.
    """

    def __init__(self, raw: Mapping[str, Any], what: str) -> None:
        self.raw, self.what = raw, what
        self._known: list[str] = []

    def take(self, key: str, kind: type, default: Any = None) -> Any:
        """The value of a key.

        Raises:
            SettingsError: it is missing and has no default, or is of another kind.
        """
        self._known.append(key)
        if key not in self.raw:
            if default is None:
                raise SettingsError("{} has no `{}`; add it", self.what, key)
            return default
        value = self.raw[key]
        if kind is float and isinstance(value, Decimal | int) and not isinstance(value, bool):
            return float(value)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise SettingsError("`{}` of {} is {}, expected {}", key, self.what, _short(value), _KINDS[kind])
        return value

    def maybe(self, key: str, kind: type) -> Any:
        """The value of a key that may be missing, or None."""
        self._known.append(key)
        return self.take(key, kind) if key in self.raw else None

    def texts(self, key: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
        """A list of texts."""
        values = self.take(key, list, default)
        for value in values:
            if not isinstance(value, str):
                raise SettingsError("`{}` of {} holds {}, expected texts", key, self.what, _short(value))
        return tuple(values)

    def tables(self, key: str) -> list["_Table"]:
        """A list of tables, `[[key]]` in the file; none where it is missing."""
        values = self.take(key, list, [])
        if not all(isinstance(value, dict) for value in values):
            raise SettingsError("`{}` of {} is no list of tables; write [[{}]]", key, self.what, key)
        return [_Table(value, f"{key} {number}") for number, value in enumerate(values, start=1)]

    def commands(self) -> dict[str, Options]:
        """Options of the commands, each a table by its command's name."""
        return {name: _plain(self.take(name, dict)) for name in COMMANDS if self._has(name)}

    def end(self) -> None:
        """Refuse keys that nobody took.

        Raises:
            SettingsError: there is one; the message offers the nearest.
        """
        for key in self.raw:
            if key not in self._known:
                raise SettingsError("{}", unknown(f"key of {self.what}", key, sorted({*self._known, *COMMANDS})))

    def _has(self, key: str) -> bool:
        self._known.append(key)
        return key in self.raw


def _study(table: _Table) -> StudySettings:
    settings = StudySettings(
        name=table.take("name", str),
        title=table.take("title", str, ""),
        data=tuple(map(_data, table.tables("data"))),
        strategies=table.texts("strategies"),
        methods=table.texts("methods"),
        networks=tuple(map(_network, table.tables("networks"))),
        seeds=tuple(table.take("seeds", list)),
        ratios=tuple(map(_ratio, table.take("ratios", list, []))),
        counts=tuple(table.take("counts", list, [])),
        options=table.commands(),
        rules=tuple(map(_rule, table.tables("cells"))),
        grids=tuple(map(_grid, table.tables("grids"))),
        variants=tuple(map(_variant, table.tables("variants"))),
    )
    table.end()
    return settings


def _data(table: _Table) -> StudyData:
    folds = table.maybe("folds", dict)
    data = StudyData(
        name=table.take("name", str),
        dataset=table.take("dataset", str),
        data_dir=table.take("data_dir", str),
        areas=tuple(map(_area, table.tables("areas"))),
        folds=None if folds is None else _folds(_Table(folds, f"the folds of {table.what}")),
        options=table.commands(),
    )
    table.end()
    return data


def _area(table: _Table) -> AreaSettings:
    texts = {key: table.take(key, str) for key in ("name", "train", "test")}
    area = AreaSettings(**texts, val=table.maybe("val", str), data_dir=table.maybe("data_dir", str))
    table.end()
    return area


def _folds(table: _Table) -> FoldSettings:
    folds = FoldSettings(
        by=table.take("by", str, "group"),
        areas=table.texts("areas", []),
        val_share=table.take("val_share", float, 0.1),
        gap=table.take("gap", float, 0.0),
        seed=table.take("seed", int, 0),
    )
    table.end()
    return folds


def _network(table: _Table) -> StudyNetwork:
    backbone = table.take("backbone", str)
    network = StudyNetwork(
        name=table.take("name", str, backbone),
        backbone=backbone,
        weights=table.maybe("weights", str),
        classifier=table.take("classifier", str, "res50"),
        classifier_weights=table.take("classifier_weights", str, "imagenet"),
    )
    table.end()
    return network


def _grid(table: _Table) -> GridSettings:
    names = ("data", "networks", "amounts", "strategies", "methods")
    grid = GridSettings(**{name: table.texts(name, []) for name in names})
    table.end()
    return grid


def _variant(table: _Table) -> StudyVariant:
    variant = StudyVariant(table.take("name", str), table.take("method", str), table.commands())
    table.end()
    return variant


def _rule(table: _Table) -> CellRule:
    where = table.take("where", dict)
    rule = CellRule({name: str(value) for name, value in where.items()}, table.commands())
    table.end()
    return rule


def _ratio(value: object) -> Decimal:
    if not isinstance(value, Decimal | int) or isinstance(value, bool):
        raise SettingsError("`ratios` holds {}, expected numbers such as 0.05", _short(value))
    return Decimal(value)


def _plain(options: Mapping[str, Any]) -> Options:
    """Options of a command, whose values have to be plain."""
    for name, value in options.items():
        for each in value if isinstance(value, list) else [value]:
            if not isinstance(each, str | int | Decimal | bool):
                raise SettingsError("option `{}` is {}, expected text, a number or a truth value", name, _short(each))
    return dict(options)


def _short(value: object) -> str:
    return repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:60]}…"
