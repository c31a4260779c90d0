"""Texts of crashes: stages, evidence, what speaks against it, what the data cannot show; and the crash card."""

from typing import Final

MESSAGES: Final[dict[str, tuple[str, str]]] = {
    "event_type_crash_confirmed": ("Crash confirmed", "碰撞确认"),
    "event_type_crash_cleared": ("Crash cleared", "碰撞排除"),
    "crash_say": ("{confidence} % sure, {severity}: {evidence}", "可信度 {confidence}%，{severity}：{evidence}"),
    "crash_say_drove_on": ("drove on: {metres} m in {time}", "车辆继续行驶：{time}内行驶 {metres} 米"),
    "crash_say_alone": ("nothing came in addition within {time}", "{time}内未出现其他佐证"),
    "crash_severity_light": ("light", "轻微"),
    "crash_severity_moderate": ("moderate", "中度"),
    "crash_severity_severe": ("severe", "严重"),
    "crash_severity_unknown": ("severity unknown", "严重程度未知"),
    # What speaks for it: its name, and its figure.
    "crash_evidence_collision": ("collision alarm of the terminal", "终端碰撞报警"),
    "crash_evidence_rollover": ("rollover alarm of the terminal", "终端侧翻报警"),
    "crash_evidence_item": ("the terminal's maker says crash", "厂商扩展项报碰撞"),
    "crash_evidence_acceleration": ("acceleration", "加速度峰值"),
    "crash_evidence_speed_change": ("sudden change of speed", "车速突变"),
    "crash_evidence_deceleration": ("faster than brakes can", "减速超出制动能力"),
    "crash_evidence_stopped": ("stopped right after it", "随即停车"),
    "crash_evidence_stayed": ("and stayed", "停车未动"),
    "crash_evidence_silence": ("silent since", "此后失联"),
    "crash_evidence_sos": ("emergency button after it", "其后按下紧急报警"),
    "crash_figure_g": ("{n} g", "{n} g"),
    "crash_figure_kmh": ("{n} km/h", "{n} 公里/时"),
    "crash_figure_stopped": ("after {time}", "{time}后"),
    "crash_figure_for": ("for {time}", "持续 {time}"),
    "crash_against_drove_on": ("The car drove on.", "车辆此后继续行驶。"),
    "crash_against_alone": ("Nothing came in addition.", "未出现其他佐证。"),
    "crash_against_standing": (
        "The car stood: whatever struck the terminal need not have struck the car.",
        "当时车辆静止：受到冲击的可能只是终端，而不是车辆。",
    ),
    "crash_against_ignition_off": ("The ignition was off.", "当时 ACC 处于关闭状态。"),
    "crash_against_disagrees": (
        "Its positions moved on while its speed said that it stood.",
        "车速显示静止，但定位仍在移动，两者不一致。",
    ),
    "crash_against_moved_without_ignition": (
        "It was moved with the ignition off afterwards: towed, not driven.",
        "此后在 ACC 关闭状态下移动：系被拖移，并非自行行驶。",
    ),
    "crash_blind_no_acceleration": (
        "The terminal sends no acceleration: how hard the blow was cannot be said.",
        "终端不上报加速度，无法判断冲击强度。",
    ),
    "crash_blind_sparse": (
        "The reports were more than 2 s apart: the moment, and how the speed fell, lie between them.",
        "定位上报间隔超过 2 秒，无法还原碰撞瞬间及车速变化过程。",
    ),
    "crash_blind_no_fix": (
        "There was no position fix: the place is the last one known.",
        "碰撞时无有效定位，显示的是最后已知位置。",
    ),
    "crash_blind_no_speed_before": (
        "How fast the car was before is not known.",
        "碰撞前车速未知。",
    ),
    "crash_blind_late": (
        "It was told late: what followed is not weighed.",
        "该信息为补报，其后情况未纳入判断。",
    ),
    "crash_blind_silent": (
        "The car fell silent: what has become of it cannot be seen.",
        "车辆随后失联，后续情况不可见。",
    ),
    "crash_blind_cause": (
        "Who or what was hit, and whether anybody is hurt, no terminal can tell. Call.",
        "终端无法判断碰撞对象及人员伤亡，请立即电话核实。",
    ),
    "list_comma": (", ", "、"),
    "event_reason_drove_on": ("the car drove on", "车辆继续行驶"),
    "event_reason_alone": ("nothing came in addition", "无其他佐证"),
    # Fields.
    "event_field_impact_ms": ("Impact", "碰撞时间"),
    "event_field_speed_before_kmh10": ("Speed before", "碰撞前车速"),
    "event_field_peak_mg": ("Peak acceleration", "加速度峰值"),
    "event_field_confidence_percent": ("Confidence", "可信度"),
    "event_field_severity": ("Severity", "严重程度"),
    "event_field_against": ("Speaks against it", "反面依据"),
    "event_field_blind": ("Cannot be seen", "数据盲区"),
    "event_field_suspicion": ("Suspicion", "疑似事件"),
    "event_field_after_s": ("After", "距碰撞"),
    "event_field_driven_m": ("Driven on", "继续行驶"),
}
