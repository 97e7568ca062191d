"""The command line: finds the command, reads its flags, and says in one line what went wrong."""

import contextlib
import importlib
import os
import sys
import warnings

from absl import flags

from sedzoo.nearest import nearest

# Commands in the order of a first acquaintance; each is a module of sedzoo.commands with
# define(flag_values) and run(flag_values, arguments).
COMMANDS = {
    "demo": "compose scenes, train, export and detect, in three minutes",
    "list": "names of models, or of recipes",
    "card": "what there is to know of a model, a recipe or an export",
    "train": "train a recipe on a data set",
    "evaluate": "score an export, or what anybody's system left behind",
    "compare": "test which of several systems differ, class by class",
    "export": "turn a training run into a SavedModel",
    "embed": "embeddings of files and folders",
    "attend": "what an audiovisual model hears and sees in a film",
    "detect": "find sound events in files and folders",
}


class UserError(Exception):
    """Something the user can put right; the message is all there is to see."""


def main(argv=None):
    """Run one command.

    Args:
        argv: list of str without the program's name; None for the process's own.
    Returns: int, the exit code: 0, 1 when something failed, 2 for a wrong call.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(_usage())
        return 0 if argv else 2
    if argv[0] == "--version":
        import sedzoo
        print(sedzoo.__version__)
        return 0
    name, *rest = argv
    if name not in COMMANDS:
        print(f"sedzoo: no command {name!r}." + nearest(name, COMMANDS), file=sys.stderr)
        return 2
    return _run(name, rest)


def _run(name, rest):
    command = importlib.import_module(f"sedzoo.commands.{name}")
    values = flags.FlagValues()
    command.define(values)
    flags.DEFINE_bool("debug", False, "Show where an error came from.", flag_values=values)
    flags.DEFINE_bool("help", False, "Show this help.", short_name="h", flag_values=values)
    try:
        arguments = values([f"sedzoo {name}", *rest])[1:]
    except flags.Error as error:
        print(f"sedzoo {name}: {error}", file=sys.stderr)
        return 2
    if values.help:
        print(f"{command.__doc__.strip()}\n\nFlags:\n{_flag_help(values)}")
        return 0
    try:
        import_quietly(getattr(command, "FRAMEWORK", None))
        with _warnings_in_a_line(name):
            code = command.run(values, arguments) or 0
            sys.stdout.flush()
            return code
    except BrokenPipeError:         # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print(f"sedzoo {name}: stopped", file=sys.stderr)
        return 130
    except (UserError, ValueError, OSError, FloatingPointError) as error:
        if values.debug:
            raise
        print(f"sedzoo {name}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1


@contextlib.contextmanager
def _warnings_in_a_line(name):
    """Doubts about the user's sounds and data on standard error; those of libraries as ever."""
    from sedzoo.audio import AudioWarning

    with warnings.catch_warnings():
        warnings.simplefilter("always", AudioWarning)
        usual = warnings.showwarning

        def show(message, category, *where, **more):
            if issubclass(category, AudioWarning):
                print(f"sedzoo {name}: warning: {' '.join(str(message).split())}", file=sys.stderr)
            else:
                usual(message, category, *where, **more)

        warnings.showwarning = show
        yield


def import_quietly(framework):
    """Import a framework without the lines that its C++ prints before any log level applies."""
    if framework is None or framework in sys.modules:
        return
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError, ValueError):      # no such descriptor: nothing to hush
            sys.stderr.flush()
            kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 2)
            stack.callback(lambda: (os.dup2(kept, 2), os.close(kept), os.close(null)))
        try:
            importlib.import_module(framework)
        except ImportError as error:
            raise UserError(f"this command needs {framework}: {error}") from error


def progress_over(title):
    """A wrapper of iterables that draws a bar on standard error when that is a terminal."""
    if not sys.stderr.isatty():
        return iter
    from rich.console import Console
    from rich.progress import track

    return lambda items: track(items, title, console=Console(stderr=True), transient=True)


def _usage():
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(["usage: sedzoo COMMAND [flags] [arguments]", "", *lines, "",
                      "sedzoo COMMAND --help shows the command's flags."])


def _flag_help(values):
    lines = []
    for name in sorted(values):
        flag = values[name]
        if name == flag.name:
            default = "" if flag.default is None else f" (default: {flag.default_as_str})"
            lines.append(f"  --{name}: {flag.help}{default}")
    return "\n".join(lines)
