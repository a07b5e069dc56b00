# SPDX-License-Identifier: Apache-2.0
"""The parser of every tool: examples first in `--help`, no abbreviated flags, one sentence for an error."""

from __future__ import annotations

import argparse
import copy
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from mono_depth_ros.errors import SENTENCE, ConfigError, shown
from mono_depth_ros.tools.config_file import Values


class Parser(argparse.ArgumentParser):
    """An ArgumentParser with the manners of this package; its subparsers are of the same class.

    Args:
        examples: the commands that `--help` begins with.
        config_file: whether there is `--config FILE.yaml`; what the command line says wins over the file.
    """

    def __init__(self, *, examples: Sequence[str] = (), config_file: bool = False, **more: Any) -> None:
        super().__init__(allow_abbrev=False, **more)
        self.examples = tuple(examples)
        self._config_file = config_file
        self.register("action", "append", _Append)
        if config_file:
            self.add_argument(
                "--config",
                type=path,
                metavar="FILE.yaml",
                help="The file gives options as `name: value`, with the names below, _ for -; the command line wins. A "
                "parameter file of the nodes is read too, for the options that the nodes have.",
            )

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As ArgumentParser does, over the values of the configuration file; argparse asks each subparser for it."""
        words = list(sys.argv[1:] if args is None else args)
        file = self._given_file(words) if self._config_file else None
        if file is not None:
            namespace = argparse.Namespace() if namespace is None else namespace
            try:
                given = Values(self, file).read()
            except ConfigError as error:
                self.error(f"--config: {error}")
            for name, value in given.items():
                setattr(namespace, name, FromFile(value) if isinstance(value, list) else value)
        namespace, rest = super().parse_known_args(words, namespace)
        if rest:
            self._refuse(rest[0])
        return namespace, rest

    def _refuse(self, word: str) -> NoReturn:
        flag = word.partition("=")[0]
        close = difflib.get_close_matches(flag, self._option_string_actions, n=1) if flag.startswith("-") else ()
        self.error(f"there is no {flag}: did you mean {close[0]}?" if close else f"'{word}' is not expected")

    def format_help(self) -> str:
        """The examples, and then what argparse says."""
        text = "".join(f"  {line}\n" for line in self.examples)
        return f"examples:\n{text}\n{super().format_help()}" if text else super().format_help()

    def error(self, message: str) -> NoReturn:
        """One sentence; argparse would put twenty lines of usage before it."""
        sentence = shown(message, SENTENCE).removeprefix("argument ")
        self.exit(2, f"{self.prog}: {sentence} (`{self.prog} --help` shows the options)\n")

    def value_of(self, action: argparse.Action, text: str) -> Any:
        """What the text is as the value of an option.

        Raises:
            ConfigError: it is none.
        """
        try:
            value = self._get_value(action, text)
            self._check_value(action, value)
        except argparse.ArgumentError as error:
            raise ConfigError(error.message) from error
        return value

    def options(self) -> dict[str, argparse.Action]:
        """The options by their names in a file, without `--help`, `--config` and what is hidden."""
        return {
            name: action
            for action in self._actions
            if action.option_strings and action.dest not in ("help", "config") and action.help != argparse.SUPPRESS
            for name in (action.dest, action.option_strings[0].lstrip("-").replace("-", "_"))
        }

    def _given_file(self, words: list[str]) -> Path | None:
        finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        finder.error = self.error  # type: ignore[method-assign]
        finder.add_argument("--config", type=path)
        found: Path | None = finder.parse_known_args(words)[0].config
        return found


class FromFile(list[Any]):
    """Values of an option that may be given several times, from a file: those of the command line replace them."""


class _Append(argparse._AppendAction):
    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        if isinstance(getattr(namespace, self.dest, None), FromFile):
            setattr(namespace, self.dest, [])
        super().__call__(parser, namespace, values, option_string)


def add_alias(parser: Any, action: argparse.Action, *flags: str) -> None:
    """Keep earlier names of an option working, without a place in `--help`.

    Args:
        parser: that, or the group of it, to which the action was added.
    """
    old = copy.copy(action)
    old.option_strings, old.help, old.default = list(flags), argparse.SUPPRESS, argparse.SUPPRESS
    parser._add_action(old)


def path(text: str) -> Path:
    """The type of an argument that is a path: `~` and `~user` at its beginning are a home folder.

    Raises:
        ArgumentTypeError: it is empty, or there is no such user.
    """
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError(f"found '{shown(text)}', expected a path")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        user = shown(Path(text).parts[0][1:])
        raise argparse.ArgumentTypeError(f"found '{shown(text)}', and there is no user '{user}' here") from error
