"""Registration with HyperSpy by hooks on the base class of its signals.

HyperSpy's extension format has no key for decomposition algorithms, so they are
registered here, and so are the file formats of ``rsciio_sparse``. The base class of
every signal is ``hyperspy.learn._mva.MVA``: its ``decomposition`` is wrapped, and its
``__init_subclass__`` is extended, so that each signal class of HyperSpy is extended
when it is created (``LazySignal`` has a ``decomposition`` of its own; methods are added
to ``BaseSignal``). Subclasses of other packages are not changed: they reach the wrapped
methods through ``super()``.

HyperSpy imports this package before its signals exist, so the registration waits for
post-import hooks. If this package is imported during the import of the module of
``MVA``, a hook on that module is never called; the hook on ``hyperspy.signal`` is.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import logging
import os
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .extension import algorithms
from .suggestions import did_you_mean

if TYPE_CHECKING:
    from .extension.status import Status

_logger = logging.getLogger(__name__)

OPT_OUT = "SPARSEDECOMP_NO_HOOKS"
MVA_MODULE = "hyperspy.learn._mva"
ANCHORS = (MVA_MODULE, "hyperspy.signal")
FORMATS_MODULE = "rsciio._io_plugins"
LOADING_MODULE = "hyperspy.io"
WIDGETS_MODULE = "hyperspy.ui_registry"

_EXTENSION = "sparsedecomp.extension."
# Methods of each class: name -> "module:function" of a function or property of the
# signal.
METHODS = {
    "hyperspy.signal.BaseSignal": {
        "get_component_spectra": _EXTENSION + "components:get_component_spectra",
        "get_component_maps": "sparsedecomp.extension.components:get_component_maps",
        "fuse": "sparsedecomp.extension.fusion:fuse",
        "fusion": "sparsedecomp.extension.fused_signal:fusion",
        "get_pixel_map": "sparsedecomp.extension.components:get_pixel_map",
        "name_components": "sparsedecomp.extension.editing:name_components",
        "merge_components": "sparsedecomp.extension.editing:merge_components",
        "split_component": "sparsedecomp.extension.editing:split_component",
        "reorder_components": "sparsedecomp.extension.editing:reorder_components",
        "segment_composition": _EXTENSION + "segmentation:segment_composition",
        "check_data": "sparsedecomp.extension.data_check:check_data",
        "decomposition_tool": "sparsedecomp.gui.entries:decomposition_tool",
        "estimate_energy_drift": _EXTENSION + "data_check:estimate_energy_drift",
        "estimate_rank": "sparsedecomp.extension.rank:estimate_rank",
        "denoise": "sparsedecomp.extension.restoration:denoise",
        "deblur": _EXTENSION + "deblurring:deblur",
        "deblurring": _EXTENSION + "deblurring:deblurring",
        "sparsity": _EXTENSION + "sparsity:sparsity",
        "inpaint": "sparsedecomp.extension.inpainting:inpaint",
        "inpainting": "sparsedecomp.extension.inpainting:inpainting",
        "restoration": "sparsedecomp.extension.restoration:restoration",
        "estimate_resolution": "sparsedecomp.extension.resolution:estimate_resolution",
        "unmixing_report": "sparsedecomp.extension.report:unmixing_report",
        "dose_plan": "sparsedecomp.extension.dose:dose_plan",
        "get_line_maps": "sparsedecomp.extension.counts:get_line_maps",
        "get_sum_spectrum": "sparsedecomp.extension.counts:get_sum_spectrum",
        "thin": "sparsedecomp.extension.dose:thin",
        "super_resolve": "sparsedecomp.extension.super_resolution:super_resolve",
        "super_resolution": ("sparsedecomp.extension.fine_signal:super_resolution"),
        "spectrum_at": "sparsedecomp.extension.super_resolution:spectrum_at",
        "tensor_decomposition": "sparsedecomp.extension.tensor:tensor_decomposition",
        "tensor_rank": "sparsedecomp.extension.tensor:tensor_rank",
    },
}

# Methods of the signal classes of this package, with the signal type to set. On other
# signals they raise an AttributeError that says so.
METHODS_OF_TYPES = {
    "XAS": (
        "align",
        "autobk",
        "deglitch",
        "edge_step",
        "estimate_shifts",
        "find_e0",
        "linear_combination",
        "merge",
        "normalize",
        "rebin_k",
        "set_edge",
        "target_transform",
    ),
    "EXAFS": ("exafs_sparse_fit", "fourier_transform", "wavelet", "weighted"),
    "RDF": ("coordination_number", "mean_distance"),
}

# Figures of HyperSpy that refuse results which a lazily loaded file holds.
PLOTS = tuple(
    f"plot_{source}_{part}"
    for source in ("decomposition", "bss")
    for part in ("factors", "loadings", "results")
)

_lock = threading.RLock()
_wrapped: list[str] = []
_attached: list[str] = []
_problems: list[str] = []


def status() -> Status:
    """Report what is registered with HyperSpy.

    Returns
    -------
    Status
        Algorithms, methods and problems, readable when printed; ``status().active``
        is True if ``signal.decomposition`` has the algorithms of this package.

    Examples
    --------
    >>> import sparsedecomp
    >>> sparsedecomp.status().algorithms[:2]
    ('nmf_so', 'nmf_so_ard')
    """
    from .extension.status import Status

    api = sys.modules.get("hyperspy.api")
    if api is not None and not _opted_out():
        # HyperSpy creates its signals, and with them our methods, on first access.
        api.signals.BaseSignal  # noqa: B018
    return Status.of(
        opted_out=_opted_out(),
        classes=tuple(_wrapped),
        methods=tuple(_attached),
        problems=tuple(_problems),
    )


def enable() -> Status:
    """Register with HyperSpy now.

    Needed only if the registration at import failed or was switched off with the
    environment variable ``SPARSEDECOMP_NO_HOOKS``. A second call changes nothing.

    Returns
    -------
    Status
        Algorithms and methods that are registered now.

    Raises
    ------
    ImportError
        If HyperSpy is not installed or cannot be imported.

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
    _recognise_files(importlib.import_module(LOADING_MODULE))
    return status()


def install() -> None:
    """Register now if HyperSpy's signals exist, else when they are imported."""
    if _opted_out():
        _logger.info("%s is set: not registering with HyperSpy", OPT_OUT)
        return
    from wrapt import register_post_import_hook

    for anchor in ANCHORS:
        register_post_import_hook(lambda _: _register(), anchor)
    register_post_import_hook(_add_formats, FORMATS_MODULE)
    register_post_import_hook(_recognise_files, LOADING_MODULE)


def _opted_out() -> bool:
    return os.environ.get(OPT_OUT, "").lower() not in ("", "0", "false")


def _guarded(function: Callable[..., None]) -> Callable[..., None]:
    """Log errors instead of raising them, which would end the import of HyperSpy."""

    @functools.wraps(function)
    def guarded(*args: Any) -> None:
        try:
            return function(*args)
        except Exception as error:
            _problems.append(f"{function.__name__}: {error!r}")
            _logger.exception("sparsedecomp could not register with HyperSpy")

    return guarded


@_guarded
def _add_formats(module: ModuleType) -> None:
    """Add the file formats of ``rsciio_sparse`` to those of RosettaSciIO.

    A format is not added if one of that name exists.
    """
    from rsciio_sparse import IO_PLUGINS

    known = {plugin["name"].lower() for plugin in module.IO_PLUGINS}
    new = [plugin for plugin in IO_PLUGINS if plugin["name"].lower() not in known]
    module.IO_PLUGINS.extend(new)


@_guarded
def _recognise_files(module: ModuleType) -> None:
    """Let ``hs.load`` look into files whose extension belongs to no single format."""
    original = vars(module)["load_single_file"]
    if not hasattr(original, "_sparsedecomp"):
        from .extension.file_formats import recognising

        vars(module)["load_single_file"] = recognising(original, module)


@_guarded
def _leave_widgets_to_others() -> None:
    """Withdraw a toolkit that has no widgets but ours.

    HyperSpy takes a toolkit as the sign that there are sliders for plots of many axes;
    without them such plots would fail instead of doing without sliders.
    """
    module = sys.modules[WIDGETS_MODULE]
    for toolkit in module.TOOLKIT_REGISTRY.copy():
        keys = [key for key, each in module.UI_REGISTRY.items() if toolkit in each]
        if all(key.startswith("sparsedecomp.") for key in keys):
            module.TOOLKIT_REGISTRY.discard(toolkit)


@_guarded
def _register() -> None:
    mva = getattr(sys.modules.get(MVA_MODULE), "MVA", None)
    if mva is None:
        return
    _leave_widgets_to_others()
    with _lock:
        _wrap_decomposition(mva)
        if not hasattr(mva.__init_subclass__, "_sparsedecomp"):
            _extend_future_subclasses(mva)
        _extend_subclasses_of(mva)


def _extend_future_subclasses(mva: Any) -> None:
    own = vars(mva).get("__init_subclass__")

    def __init_subclass__(cls: type, **kwargs: Any) -> None:
        if own is None:
            super(mva, cls).__init_subclass__(**kwargs)
        else:
            own.__func__(cls, **kwargs)
        _extend(cls)

    __init_subclass__._sparsedecomp = True  # type: ignore[attr-defined]
    mva.__init_subclass__ = classmethod(__init_subclass__)


def _extend_subclasses_of(cls: Any) -> None:
    for subclass in cls.__subclasses__():
        _extend(subclass)
        _extend_subclasses_of(subclass)


@_guarded
def _extend(cls: Any) -> None:
    with _lock:
        if cls.__module__.partition(".")[0] == "hyperspy":
            _wrap_decomposition(cls)
            _attach_methods(cls)
        elif "decomposition" in vars(cls):
            _document(cls.decomposition)


def _name_of(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _wrap_decomposition(cls: Any) -> None:
    original = vars(cls).get("decomposition")
    if original is None or hasattr(original, "_sparsedecomp"):
        return
    signature = inspect.signature(original)

    @functools.wraps(original)
    def decomposition(self, *args, **kwargs):
        try:
            given = signature.bind(self, *args, **kwargs).arguments
        except TypeError:
            # Let HyperSpy raise: its message names its own arguments.
            return original(self, *args, **kwargs)
        algorithm = given.get("algorithm")
        if inspect.isclass(algorithm):
            name = algorithm.__name__
            raise TypeError(
                f"algorithm={name} is a class, expected an instance of it such as "
                f"{name}(), or the name of an algorithm."
            )
        if algorithms.find(algorithm) is not None:
            from .extension.driver import decompose

            return decompose(self, **_flat(given, signature))
        try:
            info = original(self, *args, **kwargs)
        except ValueError as error:
            if isinstance(algorithm, str) and "not recognised" in str(error):
                error.args = (f"{error} {_ours(algorithm)}",)
            raise
        from .extension.learning_results import record_axes, remove_extras

        remove_extras(self)
        record_axes(self)
        return info

    decomposition._sparsedecomp = True  # type: ignore[attr-defined]
    cls.decomposition = decomposition
    _document(decomposition)
    _wrapped.append(_name_of(cls))


def _flat(given: dict[str, Any], signature: inspect.Signature) -> dict[str, Any]:
    """Arguments by name, without ``self`` and with those of ``**kwargs``."""
    given = dict(given)
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            given.update(given.pop(name, {}))
    del given[next(iter(signature.parameters))]
    return given


def _ours(given: str) -> str:
    names = ", ".join(f'"{name}"' for name in algorithms.ALGORITHMS)
    hint = did_you_mean(given, algorithms.ALGORITHMS)
    return f"The package sparsedecomp adds: {names}.{hint}"


def _document(function: Callable[..., Any]) -> None:
    """Append the algorithms of this package to the docstring of a method."""
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

    def __init__(self, target: str):
        self.target = target

    def __set_name__(self, owner: type, name: str) -> None:
        self.owner, self.name = owner, name

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        module, _, attribute = self.target.partition(":")
        method = getattr(importlib.import_module(module), attribute)
        # From now on it is an ordinary method or property of the class.
        setattr(self.owner, self.name, method)
        if hasattr(method, "__set_name__"):
            method.__set_name__(self.owner, self.name)
        return method if instance is None else method.__get__(instance, owner)


class _OfOtherType:
    """A method that signals of another type have: looking it up says which type."""

    def __init__(self, name: str, signal_type: str):
        self.name, self.signal_type = name, signal_type

    def __get__(self, instance: object, owner: type) -> Any:
        # Other packages may derive from a signal first and from the class of a method
        # of this name second.
        for base in owner.__mro__:
            attribute = vars(base).get(self.name, self)
            if attribute is not self:
                bound = getattr(attribute, "__get__", None)
                return attribute if bound is None else bound(instance, owner)
        raise AttributeError(
            f"'{owner.__name__}' object has no attribute '{self.name}': it is a method "
            f"of the signal type '{self.signal_type}'. Set the type with "
            f"`s.set_signal_type('{self.signal_type}')`."
        )


def _explain_methods_of_types(cls: Any) -> None:
    for signal_type, names in METHODS_OF_TYPES.items():
        for name in names:
            if not any(name in vars(base) for base in cls.__mro__):
                setattr(cls, name, _OfOtherType(name, signal_type))


def _read_results_before(cls: Any, name: str) -> None:
    """Let a figure of HyperSpy draw results of this package from lazy files, too."""
    original = getattr(cls, name, None)
    if original is None or hasattr(original, "_sparsedecomp"):
        return

    @functools.wraps(original)
    def plot(self, *args, **kwargs):
        from .extension.learning_results import read, read_into_memory

        if algorithms.find(read(self, "decomposition_algorithm")) is not None:
            read_into_memory(self)
        return original(self, *args, **kwargs)

    plot._sparsedecomp = True  # type: ignore[attr-defined]
    setattr(cls, name, plot)


def _attach_methods(cls: Any) -> None:
    if _name_of(cls) == "hyperspy.signal.BaseSignal":
        _explain_methods_of_types(cls)
        for name in PLOTS:
            _read_results_before(cls, name)
    for name, target in METHODS.get(_name_of(cls), {}).items():
        ours = f"{_name_of(cls)}.{name}"
        if ours in _attached:
            continue
        if hasattr(cls, name):
            problem = f"{ours} exists and was not replaced"
            _problems.append(problem)
            _logger.warning(problem)
            continue
        method = _Method(target)
        method.__set_name__(cls, name)
        setattr(cls, name, method)
        _attached.append(ours)
