"""Unaligned loads and stores at addresses, for compiled kernels. No bounds are checked: the caller has checked them.

Array indexing costs 2.4 times as much in a frame decoder, so kernels take int64 addresses and use these. Everything
inside a kernel stays int64: mixing in numpy's unsigned types makes numba compute in float64.
Names say what is loaded: `load_u16_be` reads two bytes, big-endian; without `_be` the machine's order (little-endian).
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def _pointer(builder: Any, address: Any, bits: int) -> Any:
    return builder.inttoptr(address, ir.IntType(bits).as_pointer())


def _loader(bits: int, swapped: bool, name: str, signed: bool = False) -> Any:
    """Build an intrinsic name(address) -> int64 that loads `bits` bits, zero-extended, or sign-extended if signed."""

    def load(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            value = builder.load(_pointer(builder, arguments[0], bits), align=1)
            if swapped:
                value = builder.bswap(value)
            if bits == 64:
                return value
            return builder.sext(value, ir.IntType(64)) if signed else builder.zext(value, ir.IntType(64))

        return types.int64(types.int64), codegen

    load.__name__ = load.__qualname__ = name
    return intrinsic(load)


def _storer(bits: int, swapped: bool, name: str) -> Any:
    """Build an intrinsic name(address, value) that stores the low `bits` bits of an int64."""

    def store(typingctx: Any, address: Any, value: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            stored = arguments[1] if bits == 64 else builder.trunc(arguments[1], ir.IntType(bits))
            if swapped:
                stored = builder.bswap(stored)
            builder.store(stored, _pointer(builder, arguments[0], bits), align=1)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), codegen

    store.__name__ = store.__qualname__ = name
    return intrinsic(store)


load_u8 = _loader(8, False, "load_u8")
load_u16 = _loader(16, False, "load_u16")
load_u32 = _loader(32, False, "load_u32")
load_i32 = _loader(32, False, "load_i32", signed=True)
load_i64 = _loader(64, False, "load_i64")
load_u16_be = _loader(16, True, "load_u16_be")
load_u32_be = _loader(32, True, "load_u32_be")
load_i64_be = _loader(64, True, "load_i64_be")

store_u8 = _storer(8, False, "store_u8")
store_u16 = _storer(16, False, "store_u16")
store_u32 = _storer(32, False, "store_u32")
store_i64 = _storer(64, False, "store_i64")
store_u16_be = _storer(16, True, "store_u16_be")
store_u32_be = _storer(32, True, "store_u32_be")
store_i64_be = _storer(64, True, "store_i64_be")


@intrinsic
def load_f64(typingctx: Any, address: Any) -> Any:
    """load_f64(address) -> float64."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.DoubleType().as_pointer())
        return builder.load(pointer, align=1)

    return types.float64(types.int64), codegen


@intrinsic
def copy(typingctx: Any, target: Any, source: Any, length: Any) -> Any:
    """copy(target, source, length): copy bytes between areas that do not overlap."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target, source, length = arguments
        cgutils.raw_memcpy(
            builder, _pointer(builder, target, 8), _pointer(builder, source, 8), length, ir.Constant(ir.IntType(64), 1)
        )
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


@intrinsic
def prefetch(typingctx: Any, address: Any) -> Any:
    """prefetch(address): ask for the cache line at an address, to be written soon. Any address may be asked for."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = ir.IntType(8).as_pointer()
        number = ir.IntType(32)
        asked = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [pointer, number, number, number]), "llvm.prefetch.p0"
        )
        # For writing (1), to stay in all levels (3), data (1).
        builder.call(asked, [_pointer(builder, arguments[0], 8), number(1), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def load_acquire(typingctx: Any, address: Any) -> Any:
    """load_acquire(address) -> int64: what the writer stored before its store_release is visible after this."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_pointer(builder, arguments[0], 64), "acquire", 8)

    return types.int64(types.int64), codegen


@intrinsic
def store_release(typingctx: Any, address: Any, value: Any) -> Any:
    """store_release(address, value): publish to another thread everything written before."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store_atomic(arguments[1], _pointer(builder, arguments[0], 64), "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


def _entry(count: int, name: str) -> Any:
    """Build an intrinsic name(address, ...) -> int64 that calls a compiled function of `count` int64 arguments."""

    def call(typingctx: Any, address: Any, *arguments: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            word = ir.IntType(64)
            function = builder.inttoptr(values[0], ir.FunctionType(word, [word] * count).as_pointer())
            return builder.call(function, values[1:])

        return types.int64(*[types.int64] * (count + 1)), codegen

    # numba reads the number of arguments off the signature, so each gets one of its own.
    names = ", ".join(f"a{k}" for k in range(count))
    scope: dict[str, Any] = {"call": call}
    exec(f"def {name}(typingctx, address, {names}): return call(typingctx, address, {names})", scope)  # noqa: S102
    return intrinsic(scope[name])


call3 = _entry(3, "call3")
call4 = _entry(4, "call4")
call5 = _entry(5, "call5")
"""Call the function at an address. A first-class function costs 40 ns a call beside this one's 2."""
