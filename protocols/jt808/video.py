"""Messages of JT/T 1078 (video) that ride on the JT/T 808 link."""

from typing import Annotated, Final

import msgspec

from protocols.jt808.wire import Gbk, IfMore, Many, Nested, Raw, Time, Unsigned

Struct = msgspec.Struct

RATES: Final = {0: "8 kHz", 1: "22.05 kHz", 2: "44.1 kHz", 3: "48 kHz"}
BIT_DEPTHS: Final = {0: "8 bit", 1: "16 bit", 2: "32 bit"}
CODECS: Final = {
    **dict(enumerate("G.721 G.722 G.723 G.728 G.729 G.711A G.711U G.726 G.729A".split(), 1)),  # noqa: SIM905
    16: "S16BE mono",
    17: "MPEG audio",
    18: "LPCM",
    19: "AAC",
    25: "MP3",
    26: "ADPCMA",
    28: "AMR",
    91: "transparent",
    98: "H.264",
    99: "H.265",
    100: "AVS",
    101: "SVAC",
}
LIVE_KINDS: Final = {0: "audio and video", 1: "video", 2: "talk", 3: "listen", 4: "broadcast", 5: "transparent"}
STREAMS: Final = {0: "main", 1: "sub"}
ANY_STREAM: Final = {0: "any", 1: "main", 2: "sub"}
RECORD_KINDS: Final = {0: "audio and video", 1: "audio", 2: "video", 3: "video, or audio and video"}
STORES: Final = {0: "any", 1: "main", 2: "backup"}
LIVE_COMMANDS: Final = {0: "close", 1: "switch stream", 2: "pause", 3: "resume", 4: "end talk"}
CLOSE_WHAT: Final = {0: "both", 1: "audio", 2: "video"}
FACTORS: Final = {0: "none", 1: "1x", 2: "2x", 3: "4x", 4: "8x", 5: "16x"}
PLAY_MODES: Final = {0: "normal", 1: "fast", 2: "key-frame rewind", 3: "key frames", 4: "single frame"}
PLAY_CONTROLS: Final = {0: "start", 1: "pause", 2: "stop", 3: "fast", 4: "rewind", 5: "seek", 6: "key frames"}


class QueryVideoAttributes(Struct, frozen=True):
    """0x9003."""


class VideoAttributes(Struct, frozen=True):
    """0x1003."""

    audio_codec: Annotated[int, Unsigned(1, names=CODECS)]
    audio_channels: Annotated[int, Unsigned(1)]
    audio_rate: Annotated[int, Unsigned(1, names=RATES)]
    audio_bits: Annotated[int, Unsigned(1, names=BIT_DEPTHS)]
    audio_frame_bytes: Annotated[int, Unsigned(2, unit="bytes")]
    audio_output: Annotated[int, Unsigned(1, names={0: "no", 1: "yes"})]
    video_codec: Annotated[int, Unsigned(1, names=CODECS)]
    audio_channels_max: Annotated[int, Unsigned(1)]
    video_channels_max: Annotated[int, Unsigned(1)]


class Passengers(Struct, frozen=True):
    """0x1005."""

    start_ms: Annotated[int | None, Time()]
    end_ms: Annotated[int | None, Time()]
    got_on: Annotated[int, Unsigned(2)]
    got_off: Annotated[int, Unsigned(2)]


class OpenLive(Struct, frozen=True):
    """0x9101."""

    host: Annotated[str, Gbk(prefix=1)]
    tcp_port: Annotated[int, Unsigned(2)]
    udp_port: Annotated[int, Unsigned(2)]
    channel: Annotated[int, Unsigned(1)]
    kind: Annotated[int, Unsigned(1, names=LIVE_KINDS)]
    stream: Annotated[int, Unsigned(1, names=STREAMS)]


class ControlLive(Struct, frozen=True):
    """0x9102."""

    channel: Annotated[int, Unsigned(1)]
    command: Annotated[int, Unsigned(1, names=LIVE_COMMANDS)]
    close: Annotated[int, Unsigned(1, names=CLOSE_WHAT)]
    stream: Annotated[int, Unsigned(1, names=STREAMS)]


class LiveState(Struct, frozen=True):
    """0x9105."""

    channel: Annotated[int, Unsigned(1)]
    loss_percent: Annotated[int, Unsigned(1, unit="%")]


class SearchRecordings(Struct, frozen=True):
    """0x9205. `alarms`: low word the 808 alarms, high word the video alarms, 0 for no condition."""

    channel: Annotated[int, Unsigned(1)]
    start_ms: Annotated[int | None, Time()]
    end_ms: Annotated[int | None, Time()]
    alarms: Annotated[int, Unsigned(8)]
    kind: Annotated[int, Unsigned(1, names=RECORD_KINDS)]
    stream: Annotated[int, Unsigned(1, names=ANY_STREAM)]
    store: Annotated[int, Unsigned(1, names=STORES)]


class Recording(Struct, frozen=True):
    channel: Annotated[int, Unsigned(1)]
    start_ms: Annotated[int | None, Time()]
    end_ms: Annotated[int | None, Time()]
    alarms: Annotated[int, Unsigned(8)]
    kind: Annotated[int, Unsigned(1, names=RECORD_KINDS)]
    stream: Annotated[int, Unsigned(1, names=ANY_STREAM)]
    store: Annotated[int, Unsigned(1, names=STORES)]
    size_bytes: Annotated[int, Unsigned(4, unit="bytes")]


class RecordingsFound(Struct, frozen=True, kw_only=True):
    """0x1205."""

    reply_serial: Annotated[int, Unsigned(2)]
    recordings: Annotated[tuple[Recording, ...], Many(Nested(Recording), count=4)] = ()


class OpenPlayback(Struct, frozen=True):
    """0x9201."""

    host: Annotated[str, Gbk(prefix=1)]
    tcp_port: Annotated[int, Unsigned(2)]
    udp_port: Annotated[int, Unsigned(2)]
    channel: Annotated[int, Unsigned(1)]
    kind: Annotated[int, Unsigned(1, names=RECORD_KINDS)]
    stream: Annotated[int, Unsigned(1, names=ANY_STREAM)]
    store: Annotated[int, Unsigned(1, names=STORES)]
    mode: Annotated[int, Unsigned(1, names=PLAY_MODES)]
    factor: Annotated[int, Unsigned(1, names=FACTORS)]
    start_ms: Annotated[int | None, Time()]
    end_ms: Annotated[int | None, Time()]


class ControlPlayback(Struct, frozen=True):
    """0x9202. The time is for seeking, and may be left out otherwise: `has_time` is no field of the wire."""

    channel: Annotated[int, Unsigned(1)]
    control: Annotated[int, Unsigned(1, names=PLAY_CONTROLS)]
    factor: Annotated[int, Unsigned(1, names=FACTORS)]
    seek_to: Annotated[bytes | None, Raw(6), IfMore()] = None
    """Six bytes of BCD as sent."""


class UploadRecording(Struct, frozen=True):
    """0x9206: to an FTP server."""

    host: Annotated[str, Gbk(prefix=1)]
    port: Annotated[int, Unsigned(2)]
    user: Annotated[str, Gbk(prefix=1)]
    password: Annotated[str, Gbk(prefix=1)]
    path: Annotated[str, Gbk(prefix=1)]
    channel: Annotated[int, Unsigned(1)]
    start_ms: Annotated[int | None, Time()]
    end_ms: Annotated[int | None, Time()]
    alarms: Annotated[int, Unsigned(8)]
    kind: Annotated[int, Unsigned(1, names=RECORD_KINDS)]
    stream: Annotated[int, Unsigned(1, names=ANY_STREAM)]
    store: Annotated[int, Unsigned(1, names=STORES)]
    conditions: Annotated[int, Unsigned(1, bits={0: "WiFi", 1: "LAN", 2: "mobile network"})]


class UploadDone(Struct, frozen=True):
    """0x1206."""

    reply_serial: Annotated[int, Unsigned(2)]
    result: Annotated[int, Unsigned(1, names={0: "ok", 1: "failed"})]


class ControlUpload(Struct, frozen=True):
    """0x9207."""

    upload_serial: Annotated[int, Unsigned(2)]
    control: Annotated[int, Unsigned(1, names={0: "pause", 1: "go on", 2: "cancel"})]


class RotateCamera(Struct, frozen=True):
    """0x9301."""

    channel: Annotated[int, Unsigned(1)]
    direction: Annotated[int, Unsigned(1, names={0: "stop", 1: "up", 2: "down", 3: "left", 4: "right"})]
    speed: Annotated[int, Unsigned(1)]


class AdjustCamera(Struct, frozen=True):
    """0x9302 focus, 0x9303 iris, 0x9306 zoom: 0 larger, 1 smaller. 0x9304 wiper, 0x9305 infrared: 0 stop, 1 start."""

    channel: Annotated[int, Unsigned(1)]
    value: Annotated[int, Unsigned(1)]
