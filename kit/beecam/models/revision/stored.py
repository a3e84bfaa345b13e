"""Which attributes the methods of a class store: the state of calls, not what an owner sets."""

from __future__ import annotations

import dis
import inspect
import weakref

# With these an owner sets values; what other methods store is the state of a call.
_SETTERS = ("__init__", "enable", "disable", "set_", "fuse", "unfuse")
# They store what they have moved to another device, or read from a file.
_MOVING = ("add_noise", "get_velocity", "__setstate__", "_apply", "to")
_LOADING = "_load"
_CALLED = ("set_timesteps", "set_begin_index", "set_state")
_STORE = dis.opmap["STORE_ATTR"]

_stored: weakref.WeakKeyDictionary[type, frozenset[str]] = weakref.WeakKeyDictionary()


def stored_by_calls(kind: type) -> frozenset[str]:
    """Return the attributes that methods of a class store, other than those of its owner."""
    import torch

    each = [_stored_by(one) for one in kind.__mro__ if one not in (torch.nn.Module, object)]
    return frozenset[str]().union(*each)


def _stored_by(kind: type) -> frozenset[str]:
    """Return the attributes that the methods of a class itself store."""
    if kind not in _stored:
        functions = [
            inspect.unwrap(function)
            for name, function in dict(vars(kind)).items()
            if inspect.isfunction(function)
            and (name in _CALLED or not name.startswith((*_SETTERS, _LOADING)))
            and name not in _MOVING
        ]
        # Most store nothing, and are not taken apart.
        functions = [one for one in functions if _STORE in one.__code__.co_code[::2]]
        _stored[kind] = frozenset(
            one.argval
            for function in functions
            for one in dis.get_instructions(function)
            if one.opcode == _STORE
        )
    return _stored[kind]
