"""How HyperSpy comes to know this package: hooks on the base class of its signals.

HyperSpy's extension format has no key for decomposition algorithms, so they are
registered here, and so are our file formats. The anchor is
``hyperspy.learn._mva.MVA``, the base of every signal: its ``decomposition`` is
wrapped, and its ``__init_subclass__`` adopts the signal classes as they are created
(``LazySignal`` has a ``decomposition`` of its own; methods are added to
``BaseSignal``). Subclasses of other packages are left alone: they reach the wrapped
methods through ``super()``.

HyperSpy imports this package before its signals exist, so the work waits for
post-import hooks. When ``MVA`` is half way through its own import at that moment, a
hook on that module would never fire; the later anchor finds it complete.
"""

import functools
import importlib
import inspect
import logging
import os
import sys
import threading

from .extension import algorithms

_logger = logging.getLogger(__name__)

OPT_OUT = "SPARSEDECOMP_NO_HOOKS"
MVA_MODULE = "hyperspy.learn._mva"
ANCHORS = (MVA_MODULE, "hyperspy.signal")
FORMATS_MODULE = "rsciio._io_plugins"

# Class -> methods it gets: name -> "module:function" of a function of the signal.
METHODS = {
    "hyperspy.signal.BaseSignal": {
        "get_component_spectra": (
            "sparsedecomp.extension.components:get_component_spectra"
        ),
        "get_component_maps": "sparsedecomp.extension.components:get_component_maps",
        "get_pixel_map": "sparsedecomp.extension.components:get_pixel_map",
        "segment_composition": (
            "sparsedecomp.extension.segmentation:segment_composition"
        ),
        "check_data": "sparsedecomp.extension.data_check:check_data",
        "estimate_energy_drift": (
            "sparsedecomp.extension.data_check:estimate_energy_drift"
        ),
        "estimate_rank": "sparsedecomp.extension.rank:estimate_rank",
        "estimate_resolution": "sparsedecomp.extension.resolution:estimate_resolution",
        "unmixing_report": "sparsedecomp.extension.report:unmixing_report",
        "super_resolve": "sparsedecomp.extension.super_resolution:super_resolve",
        "spectrum_at": "sparsedecomp.extension.super_resolution:spectrum_at",
        "tensor_decomposition": "sparsedecomp.extension.tensor:tensor_decomposition",
        "tensor_rank": "sparsedecomp.extension.tensor:tensor_rank",
    },
}

_lock = threading.RLock()
_wrapped = []
_attached = []
_problems = []


def status():
    """Say what is registered with HyperSpy.

    Returns
    -------
    Status
        Readable when printed; ``status().active`` tells whether
        ``signal.decomposition`` knows our algorithms.

    Examples
    --------
    >>> import sparsedecomp
    >>> sparsedecomp.status().algorithms[:2]
    ('nmf_so', 'nmf_so_ard')
    """
    from .extension.status import Status

    return Status.of(
        opted_out=_opted_out(),
        classes=tuple(_wrapped),
        methods=tuple(_attached),
        problems=tuple(_problems),
    )


def enable():
    """Register with HyperSpy now, whatever happened at import.

    Needed only where the registration at import did not work or was switched off
    with the environment variable ``SPARSEDECOMP_NO_HOOKS``. Calling it twice does no
    harm.

    Returns
    -------
    Status
        What is registered now.

    Raises
    ------
    ImportError
        When HyperSpy is not installed or cannot be imported.

    Examples
    --------
    >>> import sparsedecomp
    >>> sparsedecomp.enable().active
    True
    """
    import hyperspy.api

    # The class is created by this access, and registered with the rest below.
    hyperspy.api.signals.BaseSignal  # noqa: B018
    _register()
    _add_formats(importlib.import_module(FORMATS_MODULE))
    return status()


def install():
    """Register now if HyperSpy's signals exist, else as soon as they do."""
    if _opted_out():
        _logger.info("%s is set: not registering with HyperSpy", OPT_OUT)
        return
    from wrapt import register_post_import_hook

    for anchor in ANCHORS:
        register_post_import_hook(lambda _: _register(), anchor)
    register_post_import_hook(_add_formats, FORMATS_MODULE)


def _opted_out():
    return os.environ.get(OPT_OUT, "").lower() not in ("", "0", "false")


def _guarded(function):
    """Turn errors into log entries: they would end the import that called us."""

    @functools.wraps(function)
    def guarded(*args):
        try:
            return function(*args)
        except Exception as error:
            _problems.append(f"{function.__name__}: {error!r}")
            _logger.exception("sparsedecomp could not register with HyperSpy")

    return guarded


@_guarded
def _add_formats(module):
    """Teach ``hs.load`` our file formats: RosettaSciIO has no key for others' either.

    A format is never added twice, nor where one of that name exists.
    """
    from rsciio_sparse import IO_PLUGINS

    known = {plugin["name"].lower() for plugin in module.IO_PLUGINS}
    new = [plugin for plugin in IO_PLUGINS if plugin["name"].lower() not in known]
    module.IO_PLUGINS.extend(new)


@_guarded
def _register():
    mva = getattr(sys.modules.get(MVA_MODULE), "MVA", None)
    if mva is None:
        return
    with _lock:
        _wrap_decomposition(mva)
        if not hasattr(mva.__init_subclass__, "_sparsedecomp"):
            _adopt_future_subclasses(mva)
        _adopt_subclasses_of(mva)


def _adopt_future_subclasses(mva):
    own = vars(mva).get("__init_subclass__")

    def __init_subclass__(cls, **kwargs):
        if own is None:
            super(mva, cls).__init_subclass__(**kwargs)
        else:
            own.__func__(cls, **kwargs)
        _adopt(cls)

    __init_subclass__._sparsedecomp = True
    mva.__init_subclass__ = classmethod(__init_subclass__)


def _adopt_subclasses_of(cls):
    for subclass in cls.__subclasses__():
        _adopt(subclass)
        _adopt_subclasses_of(subclass)


@_guarded
def _adopt(cls):
    with _lock:
        if cls.__module__.partition(".")[0] == "hyperspy":
            _wrap_decomposition(cls)
            _attach_methods(cls)
        elif "decomposition" in vars(cls):
            _document(cls.decomposition)


def _name_of(cls):
    return f"{cls.__module__}.{cls.__qualname__}"


def _wrap_decomposition(cls):
    original = vars(cls).get("decomposition")
    if original is None or hasattr(original, "_sparsedecomp"):
        return
    signature = inspect.signature(original)

    @functools.wraps(original)
    def decomposition(self, *args, **kwargs):
        try:
            given = signature.bind(self, *args, **kwargs).arguments
        except TypeError:
            # Python's own message about the arguments is the better one.
            return original(self, *args, **kwargs)
        algorithm = given.get("algorithm")
        if algorithms.find(algorithm) is not None:
            from .extension.driver import decompose

            return decompose(self, **_flat(given, signature))
        try:
            info = original(self, *args, **kwargs)
        except ValueError as error:
            if isinstance(algorithm, str) and "not recognised" in str(error):
                error.args = (f"{error} {_ours()}",)
            raise
        from .extension.learning_results import remove_extras

        remove_extras(self)
        return info

    decomposition._sparsedecomp = True
    cls.decomposition = decomposition
    _document(decomposition)
    _wrapped.append(_name_of(cls))


def _flat(given, signature):
    """Arguments by name, without ``self`` and with those of ``**kwargs``."""
    given = dict(given)
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            given.update(given.pop(name, {}))
    del given[next(iter(signature.parameters))]
    return given


def _ours():
    names = ", ".join(f'"{name}"' for name in algorithms.ALGORITHMS)
    return f"The package sparsedecomp adds: {names}."


def _document(function):
    """Append our algorithms to the docstring of a ``decomposition``."""
    heading = "Algorithms of sparsedecomp"
    docstring = inspect.cleandoc(function.__doc__ or "")
    if heading in docstring:
        return
    lines = [docstring, "", heading, "-" * len(heading)]
    for algorithm in algorithms.ALGORITHMS.values():
        lines += [f'``"{algorithm.name}"``', f"    {algorithm.summary}."]
    function.__doc__ = "\n".join(lines) + "\n"


class _Method:
    """A method of a signal whose module is imported when it is first looked up."""

    def __init__(self, target):
        self.target = target

    def __set_name__(self, owner, name):
        self.owner, self.name = owner, name

    def __get__(self, instance, owner=None):
        module, _, attribute = self.target.partition(":")
        method = getattr(importlib.import_module(module), attribute)
        # From now on it is as if it had been there from the start.
        setattr(self.owner, self.name, method)
        return method if instance is None else method.__get__(instance, owner)


def _attach_methods(cls):
    for name, target in METHODS.get(_name_of(cls), {}).items():
        ours = f"{_name_of(cls)}.{name}"
        if ours in _attached:
            continue
        if hasattr(cls, name):
            problem = f"{ours} exists and was not replaced by ours"
            _problems.append(problem)
            _logger.warning(problem)
            continue
        method = _Method(target)
        method.__set_name__(cls, name)
        setattr(cls, name, method)
        _attached.append(ours)
