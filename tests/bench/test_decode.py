"""bench.decode compares decoders only after they agree; here they must agree on frames of another seed."""

from bench import decode


def test_kernels_and_c_agree_on_every_step_and_every_figure_is_there() -> None:
    result = decode.measure(frames_count=5_000, rounds=1, seed=2)
    assert set(result["ns_per_frame"]) == {"kernels", "c", "declared_python"}
    assert set(result["ns_per_frame"]["kernels"]) == {*decode.STEPS, "all"}
    assert 0 < result["frames_escaped_share"] < 1  # both paths of unescaping were taken
