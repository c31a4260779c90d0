"""What an accelerometer in a car feels: crashes, and what only feels like one. Imports nothing of detection.

Waves are in g, gravity left out, in the car's axes (forward, left, up), a sample each millisecond. `felt` makes of them
what a terminal's sensor gives: gravity added, turned by its mounting, averaged over the 10 ms of its 100 Hz, clipped at
its range, in steps of 4 mg.

## Crashes

A half-sine of 80 to 120 ms, scaled to the change of speed: peak = pi * delta_v / (2 * T). One sine fits barrier tests
of sedans and vans well in force and time (Varat and Husher, Crash pulse modeling for vehicle safety research, 18th ESV
conference, 2003); rear impacts of one delta-v last differently long (Linder and others, Change of velocity and pulse
characteristics in rear impacts, same conference, paper 285), and recorders in real ones saw peaks of 2.7 to 14.7 g
(Krafft and others, Crash pulse recorders in rear impacts, 1998), which these durations give at 10 to 45 km/h. Structure
rings on top: 15 % of the peak, 30 to 80 Hz, and a tenth of the pulse upwards.

## Confounders

Where a measurement is known it is named; the rest are our estimates, on the hard side.

    bump        two strokes (axles) up, 80 to 200 ms, 0.4 to 2 g: on round humps 0.5 g is the limit of comfort, reached
                at the speed they are built for, and grows steeply with speed (Belgian Road Research Centre, The comfort
                and effectiveness of road humps)
    pothole     down 1 to 2 g, then up 2 to 6 g within 15 to 35 ms, a fifth of it backwards; estimate
    kerb        up and sideways 2 to 7 g, 20 to 45 ms, once or twice; estimate
    brake       an emergency stop: 0.8 to 1.05 g on dry tarmac until the car stands, and the jerk at the end. A full
                braking without a crash stays near 1 g, a drop inside a car seldom passes 4 g (White and others,
                WreckWatch, Mobile Networks and Applications 16, 2011)
    door        a slam: 0.8 to 4 g ringing at 30 to 60 Hz, gone after 60 ms; estimate
    drop        the terminal itself falls 0.2 to 1.2 m: nothing for sqrt(2 h / g), then a stop within 4 to 20 ms with
                0.3 of the speed back (mechanics); far beyond any sensor's range, and a second, smaller one
    tow         jerks of 0.2 to 1.4 g, 60 to 250 ms each, as winch and hooks take hold; estimate
    fix_lost    nothing but the road

The road: on each axis normal noise of 0.02 g standing (engine), to 0.09 g at 25 m/s.
"""

from typing import Final

import numpy as np

G_MS2: Final = 9.80665
RATE_HZ: Final = 100
WAVE_MS: Final = 3_000
AT_MS: Final = 1_000
"""A wave is three seconds long; what happens begins a second into it."""

CRASH_MS: Final = (80.0, 120.0)
RANGES_G: Final = ((16.0, 0.8), (8.0, 0.2))
"""Ranges of the sensors, and how many terminals of all have each."""
STEP_G: Final = 0.004

CONFOUNDERS: Final = ("bump", "pothole", "kerb", "brake", "door", "drop", "tow", "fix_lost")


def half_sine(start_ms: np.ndarray, length_ms: np.ndarray, peak: np.ndarray) -> np.ndarray:
    """Return (n, WAVE_MS): a half-sine for each row; arguments are (n,), the peak in any unit."""
    part = (np.arange(WAVE_MS) - start_ms[:, None]) / length_ms[:, None]
    return np.where((part >= 0) & (part <= 1), peak[:, None] * np.sin(np.pi * np.clip(part, 0, 1)), 0.0)


def ringing(
    start_ms: np.ndarray, peak: np.ndarray, frequency_hz: np.ndarray, decay_ms: np.ndarray, phase: np.ndarray
) -> np.ndarray:
    """Return (n, WAVE_MS): a sine that begins with its peak and dies away."""
    after = np.arange(WAVE_MS) - start_ms[:, None]
    swing = np.sin(2 * np.pi * frequency_hz[:, None] * after / 1000 + phase[:, None])
    return np.where(after >= 0, peak[:, None] * np.exp(-np.maximum(after, 0) / decay_ms[:, None]) * swing, 0.0)


def crash_waves(delta_v_ms: np.ndarray, direction_rad: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return (n, WAVE_MS, 3) of crashes.

    Args:
        delta_v_ms: (n,) change of speed in m/s.
        direction_rad: (n,) of that change in the car: 0 forward (struck from behind), pi backward (frontal), pi/2 left.
    """
    count = len(delta_v_ms)
    length = rng.uniform(*CRASH_MS, count)
    peak_g = np.pi * delta_v_ms / (2 * length / 1000) / G_MS2
    start = np.full(count, float(AT_MS))
    pulse = half_sine(start, length, peak_g)
    waves = np.zeros((count, WAVE_MS, 3))
    waves[:, :, 0] = np.cos(direction_rad)[:, None] * pulse
    waves[:, :, 1] = np.sin(direction_rad)[:, None] * pulse
    waves[:, :, 2] = 0.1 * pulse
    for axis in range(3):
        waves[:, :, axis] += ringing(
            start, 0.15 * peak_g, rng.uniform(30, 80, count), np.full(count, 60.0), rng.uniform(0, 6.28, count)
        )
    return waves


def confounder_waves(kind: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return (count, WAVE_MS, 3) of one kind of CONFOUNDERS. Of braking, only the jerks at its beginning and end."""
    waves = np.zeros((count, WAVE_MS, 3))
    start = np.full(count, float(AT_MS))

    def draw(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, count)

    def sign() -> np.ndarray:
        return rng.choice([-1.0, 1.0], count)

    if kind == "bump":
        length, peak = draw(80, 200), draw(0.4, 2.0)
        for axle, part in ((0.0, 1.0), (1.0, 0.8)):
            up = half_sine(start + axle * (length + draw(100, 400)), length, part * peak)
            waves[:, :, 2] += up
            waves[:, :, 0] -= 0.15 * up
    elif kind == "pothole":
        length, peak = draw(15, 35), draw(2.0, 6.0)
        down, up = half_sine(start, length, -draw(1.0, 2.0)), half_sine(start + length, length, peak)
        waves[:, :, 2] = down + up + half_sine(start + draw(80, 300), length, 0.6 * peak)
        waves[:, :, 0] = -0.2 * up
    elif kind == "kerb":
        length, peak, side = draw(20, 45), draw(2.0, 7.0), sign()
        again = draw(120, 500)
        for after, weight in ((np.zeros(count), np.ones(count)), (again, draw(0.0, 0.8))):
            stroke = half_sine(start + after, length, weight * peak)
            waves[:, :, 2] += 0.8 * stroke
            waves[:, :, 1] += 0.5 * side[:, None] * stroke
            waves[:, :, 0] -= 0.3 * stroke
    elif kind == "brake":
        waves[:, :, 0] = half_sine(start, draw(150, 300), -draw(0.2, 0.5))
    elif kind == "door":
        peak, side = draw(0.8, 4.0), sign()
        ring = ringing(start, peak, draw(30, 60), draw(12, 25), np.full(count, np.pi / 2))
        waves[:, :, 1] = side[:, None] * 0.8 * ring
        waves[:, :, 2] = 0.5 * ring
    elif kind == "drop":
        height_m = draw(0.2, 1.2)
        fall_ms = 1000 * np.sqrt(2 * height_m / G_MS2)
        speed_ms = np.sqrt(2 * G_MS2 * height_m)
        direction = rng.standard_normal((count, 3))
        direction /= np.linalg.norm(direction, axis=1)[:, None]
        length = draw(4, 20)
        peak_g = np.pi * 1.3 * speed_ms / (2 * length / 1000) / G_MS2
        again_ms = 2000 * 0.3 * speed_ms / G_MS2
        hit = half_sine(start, length, peak_g) + half_sine(start + length + again_ms, length, 0.3 * peak_g)
        waves = direction[:, None, :] * hit[:, :, None]
        # While it falls, and between the two hits, it feels no gravity: take away what `felt` will add.
        time = np.arange(WAVE_MS)
        falls = ((time >= (start - fall_ms)[:, None]) & (time < AT_MS)) | (
            (time >= (start + length)[:, None]) & (time < (start + length + again_ms)[:, None])
        )
        waves[:, :, 2] -= falls
    elif kind == "tow":
        for _ in range(3):
            stroke = half_sine(start + draw(0, 1500), draw(60, 250), draw(0.2, 1.4))
            waves[:, :, 0] += sign()[:, None] * stroke
            waves[:, :, 2] += 0.4 * stroke
    elif kind != "fix_lost":
        raise ValueError(f"no confounder is called {kind}")
    return waves


def road_g(speed_ms: np.ndarray) -> np.ndarray:
    """Return the standard deviation of the road's noise on each axis, in g."""
    return 0.02 + 0.07 * np.minimum(speed_ms / 25.0, 1.5)


def felt(waves: np.ndarray, speed_ms: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return (n, WAVE_MS / 10, 3), in g: what the terminals' sensors give of the waves, each with its own mounting.

    Args:
        waves: (n, WAVE_MS, 3), gravity left out.
        speed_ms: (n,) of the cars: what the road adds.
    """
    count = len(waves)
    samples = waves.reshape(count, WAVE_MS * RATE_HZ // 1000, 1000 // RATE_HZ, 3).mean(axis=2)
    samples = samples + road_g(speed_ms)[:, None, None] * rng.standard_normal(samples.shape)
    samples[:, :, 2] += 1.0
    # A rotation drawn evenly: the unitary part of a matrix of normal numbers (Stewart, SIAM J. Numer. Anal. 17, 1980).
    turned, _ = np.linalg.qr(rng.standard_normal((count, 3, 3)))
    samples = np.einsum("nij,ntj->nti", turned, samples)
    ranges, shares = zip(*RANGES_G, strict=True)
    limit = rng.choice(ranges, count, p=shares)[:, None, None]
    return np.rint(np.clip(samples, -limit, limit) / STEP_G) * STEP_G


def peaks_mg(samples: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return (n, 3) in mg: the largest magnitude in each of the three seconds between whole seconds around the wave.

    Args:
        samples: (n, t, 3) of `felt`.
        at: (n,) in 0 to 1: which part of its second had gone by when it happened. The second of the three is the one in
            which it began; the others are cut short by it, which only the road notices.
    """
    magnitude = np.linalg.norm(samples, axis=2)
    number = np.arange(magnitude.shape[1])[None, :] - AT_MS * RATE_HZ // 1000 + np.floor(at * RATE_HZ)[:, None]
    second = np.clip(number // RATE_HZ + 1, 0, 2)
    return np.stack([np.where(second == k, magnitude, 1.0).max(axis=1) for k in range(3)], axis=1) * 1000


def everyday_peaks_mg(
    speed_ms: np.ndarray, turn_ms2: np.ndarray, along_ms2: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return (n,) in mg: the peak of a second of ordinary driving; arguments (n,): speed, acceleration across, along.

    The largest of 100 magnitudes: the vertical axis decides, its maximum is drawn from Gumbel's distribution for 100
    normal numbers (location 2.37, scale 0.35 standard deviations; Gumbel, Statistics of Extremes, 1958).
    """
    sigma = road_g(speed_ms)
    up = 1.0 + sigma * rng.gumbel(2.37, 0.35, len(speed_ms))
    across = np.abs(turn_ms2) / G_MS2 + sigma
    along = np.abs(along_ms2) / G_MS2 + sigma
    return 1000 * np.sqrt(up * up + across * across + along * along)


# --- the terminal that sets bit 29 ------------------------------------------------------------------------------------

TERMINAL_G: Final = 2.5
TERMINAL_SAMPLES: Final = 3
"""Our own terminal sets its collision bit when the magnitude of (acceleration - its mean of the time before) stays at
or above 2.5 g for 3 samples (30 ms); parameter 0x005D of JT/T 808 has both, in 0.1 g and 4 ms. At a half-sine of
100 ms that is from about 7 km/h on; a clipped sensor does not mind; a pothole is over too soon, a hard kerb sometimes
is not."""
TERMINAL_DEAD_SHARE: Final = 0.03
"""Terminals that never set it: loose, wrongly set, broken."""
TERMINAL_FALSE_PER_HOUR: Final = 1 / 2000
"""And set for nothing (estimate): once in 2,000 hours of driving."""


def sets_bit(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return (n,) bool: the terminal sets its collision bit; (n, t, 3) of `felt`."""
    rest = samples[:, : RATE_HZ // 2].mean(axis=1)
    above = np.linalg.norm(samples - rest[:, None, :], axis=2) >= TERMINAL_G
    held = np.ones((len(samples), above.shape[1] - TERMINAL_SAMPLES + 1), np.bool_)
    for k in range(TERMINAL_SAMPLES):
        held &= above[:, k : above.shape[1] - TERMINAL_SAMPLES + 1 + k]
    return held.any(axis=1) & (rng.random(len(samples)) >= TERMINAL_DEAD_SHARE)
