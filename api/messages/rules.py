"""Texts of the detectors' thresholds: what each is called and does, and those of their page.

`rules_DETECTOR` names a detector, `rules_DETECTOR_what` says what it finds; `rules_DETECTOR_FIELD` names a threshold,
`rules_DETECTOR_FIELD_what` says what a larger or smaller one does. A test walks RULES for what is missing.
"""

from typing import Final

_GEOFENCE: Final[dict[str, tuple[str, str]]] = {
    "rules_geofence": ("Geofences", "电子围栏"),
    "rules_geofence_what": (
        "When a car counts as having entered or left a geofence. Larger figures make it surer and later.",
        "何时认定车辆驶入或驶出围栏。数值越大越可靠，但判定越晚。",
    ),
    "rules_geofence_enter_fixes": ("Fixes inside, to enter", "驶入确认定位点数"),
    "rules_geofence_enter_fixes_what": (
        "So many fixes in a row must lie inside. One alone may be a stray.",
        "连续多少个定位点位于围栏内才算驶入；单个点可能是漂移。",
    ),
    "rules_geofence_enter_ms": ("Time inside, to enter", "驶入确认时长"),
    "rules_geofence_enter_ms_what": (
        "Or so long inside, for terminals that report seldom.",
        "或在围栏内停留达到该时长，适用于上报间隔较长的终端。",
    ),
    "rules_geofence_exit_fixes": ("Fixes outside, to leave", "驶出确认定位点数"),
    "rules_geofence_exit_fixes_what": (
        "So many fixes in a row must lie beyond the margin.",
        "连续多少个定位点位于边界余量之外才算驶出。",
    ),
    "rules_geofence_exit_ms": ("Time outside, to leave", "驶出确认时长"),
    "rules_geofence_exit_ms_what": (
        "Or so long beyond the margin.",
        "或在边界余量之外停留达到该时长。",
    ),
    "rules_geofence_margin_m_min": ("Margin at the boundary", "边界余量"),
    "rules_geofence_margin_m_min_what": (
        "So far beyond the boundary a fix counts as outside: a car parked on the line then neither leaves nor enters.",
        "超出边界多远才算在围栏外；停在边界上的车辆因此不会反复进出。",
    ),
    "rules_geofence_position_sigma_m": ("Spread of fixes", "定位误差（标准差）"),
    "rules_geofence_position_sigma_m_what": (
        "How far fixes of your terminals scatter. Twice of it is the least margin.",
        "终端定位的离散程度；边界余量不小于其两倍。",
    ),
    "rules_geofence_stand_kmh10": ("Standing below", "静止车速阈值"),
    "rules_geofence_stand_kmh10_what": (
        "Slower than this a car with its ignition on stands: it crosses nothing by the noise of its fixes.",
        "点火状态下低于该车速即视为静止，定位漂移不再触发进出。",
    ),
    "rules_geofence_displaced_m_min": ("Displaced beyond", "位移判定距离"),
    "rules_geofence_displaced_m_min_what": (
        "A standing car whose fixes lie farther off than this may have been moved.",
        "静止车辆的定位点偏离超过该距离，才可能是被移动。",
    ),
    "rules_geofence_displaced_fixes": ("Fixes that say displaced", "位移确认定位点数"),
    "rules_geofence_displaced_fixes_what": (
        "So many fixes in a row must lie that far off.",
        "连续多少个定位点偏离才算被移动。",
    ),
    "rules_geofence_displaced_ms": ("Time that says displaced", "位移确认时长"),
    "rules_geofence_displaced_ms_what": (
        "And for so long.",
        "并且偏离须持续该时长。",
    ),
    "rules_geofence_gap_ms_max": ("Longest gap between fixes", "定位间隔上限"),
    "rules_geofence_gap_ms_max_what": (
        "Of a longer gap nothing is inferred about the way between. 0: nothing is inferred at all.",
        "间隔超过该时长时，不推断两点之间的途经围栏；0 表示从不推断。",
    ),
    "rules_geofence_gap_m_max": ("Longest way between fixes", "定位间距上限"),
    "rules_geofence_gap_m_max_what": (
        "Nor of a longer way: the straight line is not the road.",
        "间距超过该距离时也不推断：直线并非实际道路。",
    ),
    "rules_geofence_chord_m_min": ("Least way through a fence", "最短穿越距离"),
    "rules_geofence_chord_m_min_what": (
        "A fence between two fixes counts when the straight way leads through it for so long.",
        "两定位点连线穿越围栏达到该长度才计入。",
    ),
    "rules_geofence_jump_m": ("Farthest stray", "定位跳点最大距离"),
    "rules_geofence_jump_m_what": (
        "A single fix so far behind a boundary is no stray.",
        "单个定位点深入边界超过该距离，不视为跳点。",
    ),
    "rules_geofence_route_ms_min": ("Time off a route", "偏离路线确认时长"),
    "rules_geofence_route_ms_min_what": (
        "So long beyond the margin, and driving, is leaving the route.",
        "行驶中超出边界余量达到该时长，才算偏离路线。",
    ),
    "rules_geofence_route_away_ms": ("Time to give up a route", "放弃路线时长"),
    "rules_geofence_route_away_ms_what": (
        "So long off the route, and the drive along it is over.",
        "偏离路线超过该时长，视为结束本次路线。",
    ),
    "rules_geofence_speed_slack_kmh10": ("Slack below a zone's limit", "区域超速解除差值"),
    "rules_geofence_speed_slack_kmh10_what": (
        "Speeding in a zone ends so far below its limit.",
        "车速低于区域限速达到该差值，超速才结束。",
    ),
}

_THEFT: Final[dict[str, tuple[str, str]]] = {
    "rules_theft": ("Theft and towing", "盗抢与拖车"),
    "rules_theft_what": (
        "When a theft is suspected: what is seen is weighed, and weights combine as independent.",
        "何时判定疑似盗抢：各类迹象按权重合并，视为相互独立。",
    ),
    "rules_theft_moving_kmh_min": ("Speed of a tow", "拖移速度"),
    "rules_theft_moving_kmh_min_what": ("With the ignition off, so fast at least.", "熄火状态下达到该速度才算拖移。"),
    "rules_theft_moving_fixes": ("Fixes with speed", "有速度定位点数"),
    "rules_theft_moving_fixes_what": (
        "So many in a row, away from its place: fewer are sooner, and more often wrong.",
        "连续多少个偏离原位且有速度的定位点；越少越快，也越容易误报。",
    ),
    "rules_theft_moving_m_min": ("Away, with speed", "有速度时的偏离距离"),
    "rules_theft_moving_m_min_what": ("So far from where it was parked.", "偏离停车位置的距离。"),
    "rules_theft_far_m_min": ("Away, without speed", "无速度时的偏离距离"),
    "rules_theft_far_m_min_what": (
        "Pushed, or a terminal that says no speed: then it must be farther.",
        "被推动或终端不报速度时，需偏离更远。",
    ),
    "rules_theft_far_fixes": ("Fixes far away", "远离定位点数"),
    "rules_theft_far_fixes_what": ("So many in a row.", "连续多少个定位点。"),
    "rules_theft_parked_s_min": ("Parked for", "停放时长"),
    "rules_theft_parked_s_min_what": (
        "Whoever rolls on with the ignition off has not parked yet.",
        "熄火滑行的车辆尚不算停放。",
    ),
    "rules_theft_leaving_m": ("Beyond its radius", "超出布防半径"),
    "rules_theft_leaving_m_what": (
        "So far beyond its radius an armed car has left its place.",
        "布防车辆超出半径多远才算驶离。",
    ),
    "rules_theft_returned_s": ("Back for", "回到原位时长"),
    "rules_theft_returned_s_what": (
        "Standing there for so long, a towed car has returned.",
        "回到原位停留多久算作已返回。",
    ),
    "rules_theft_calm_s": ("Calm for", "恢复确认时长"),
    "rules_theft_calm_s_what": (
        "So long without the terminal's alarm, its suspicion is over.",
        "终端报警消失多久后解除疑点。",
    ),
    "rules_theft_power_reports": ("Reports of a power cut", "断电报告数"),
    "rules_theft_power_reports_what": (
        "So many in a row; one may be a loose contact.",
        "连续多少条；单条可能是接触不良。",
    ),
    "rules_theft_silence_kmh_min": ("Fell silent at", "静默前车速"),
    "rules_theft_silence_kmh_min_what": (
        "In its last two fixes: who enters a garage has slowed down.",
        "最后两个定位点的车速；驶入车库前通常已减速。",
    ),
    "rules_theft_silence_intervals": ("Usual intervals missed", "缺失的上报间隔数"),
    "rules_theft_silence_intervals_what": ("So many of the car's own.", "按该车通常的上报间隔计算。"),
    "rules_theft_silence_s_min": ("Silent for at least", "最短静默时长"),
    "rules_theft_silence_s_min_what": ("Longer than most tunnels.", "应长于多数隧道的通行时间。"),
    "rules_theft_armed_silence_s_min": ("Armed and silent for", "布防车辆静默时长"),
    "rules_theft_armed_silence_s_min_what": ("Longer than its terminal sleeps.", "应长于终端的休眠间隔。"),
    "rules_theft_jam_satellites_min": ("Satellites before", "屏蔽前卫星数"),
    "rules_theft_jam_satellites_min_what": (
        "So many at least, or the sky was poor anyway.",
        "至少达到该数，否则原本信号就差。",
    ),
    "rules_theft_jam_satellites_max": ("Satellites then", "屏蔽后卫星数"),
    "rules_theft_jam_satellites_max_what": ("So many at most.", "不超过该数。"),
    "rules_theft_jam_signal_drop": ("Signal lost", "网络信号降幅"),
    "rules_theft_jam_signal_drop_what": (
        "The mobile signal falls by so much; 0 to 31 as a rule.",
        "网络信号的下降幅度，一般为 0 至 31。",
    ),
    "rules_theft_jam_signal_max": ("Signal then", "屏蔽后网络信号"),
    "rules_theft_jam_signal_max_what": ("So much at most.", "不超过该值。"),
    "rules_theft_jam_silence_s_min": ("Jammed and silent for", "屏蔽后静默时长"),
    "rules_theft_jam_silence_s_min_what": (
        "Shorter than without jamming: less is left to explain.",
        "可短于一般静默时长，因已有屏蔽迹象。",
    ),
    "rules_theft_coverage_cars": ("Other cars silent there", "同地静默车辆数"),
    "rules_theft_coverage_cars_what": (
        "So many others fell silent within some kilometres: the network, no thief.",
        "附近数公里内有这么多车辆同时静默，视为网络故障。",
    ),
    "rules_theft_suspected_min": ("Suspected from", "疑似阈值"),
    "rules_theft_suspected_min_what": ("From this confidence on it is told.", "可信度达到该值即告警。"),
    "rules_theft_certain_min": ("Nearly certain from", "基本确定阈值"),
    "rules_theft_certain_min_what": ("From this confidence on it is told once more.", "可信度达到该值再次告警。"),
    "rules_theft_weight_moving_without_ignition": ("Weight: moved with the ignition off", "权重：熄火移动"),
    "rules_theft_weight_moving_without_ignition_what": (
        "How sure it makes us by itself, of a car that is not armed.",
        "未布防车辆出现该迹象时的单独可信度。",
    ),
    "rules_theft_weight_displaced": ("Weight: terminal: moved (bit 28)", "权重：终端报非法位移"),
    "rules_theft_weight_displaced_what": (
        "How sure it makes us by itself, of a car that is not armed.",
        "未布防车辆出现该迹象时的单独可信度。",
    ),
    "rules_theft_weight_illegal_ignition": ("Weight: terminal: started (bit 27)", "权重：终端报非法点火"),
    "rules_theft_weight_illegal_ignition_what": (
        "How sure it makes us by itself, of a car that is not armed.",
        "未布防车辆出现该迹象时的单独可信度。",
    ),
    "rules_theft_weight_stolen": ("Weight: terminal: stolen (bit 26)", "权重：终端报被盗"),
    "rules_theft_weight_stolen_what": (
        "How sure it makes us by itself, of a car that is not armed.",
        "未布防车辆出现该迹象时的单独可信度。",
    ),
    "rules_theft_weight_power_cut": ("Weight: power cut", "权重：断电"),
    "rules_theft_weight_power_cut_what": (
        "How sure it makes us by itself, of a car that is not armed.",
        "未布防车辆出现该迹象时的单独可信度。",
    ),
    "rules_theft_weight_jammed": ("Weight: jammed", "权重：信号屏蔽"),
    "rules_theft_weight_jammed_what": (
        "How sure it makes us by itself, of a car that is not armed.",
        "未布防车辆出现该迹象时的单独可信度。",
    ),
    "rules_theft_weight_silenced": ("Weight: fell silent", "权重：静默"),
    "rules_theft_weight_silenced_what": (
        "How sure it makes us by itself, of a car that is not armed.",
        "未布防车辆出现该迹象时的单独可信度。",
    ),
    "rules_theft_weight_left_place": ("Weight: left its place", "权重：驶离原位"),
    "rules_theft_weight_left_place_what": (
        "How sure it makes us by itself, of a car that is not armed.",
        "未布防车辆出现该迹象时的单独可信度。",
    ),
    "rules_theft_weight_ignition": ("Weight: ignition on", "权重：点火"),
    "rules_theft_weight_ignition_what": (
        "How sure it makes us by itself, of a car that is not armed.",
        "未布防车辆出现该迹象时的单独可信度。",
    ),
    "rules_theft_weight_door": ("Weight: door opened", "权重：开门"),
    "rules_theft_weight_door_what": (
        "How sure it makes us by itself, of a car that is not armed.",
        "未布防车辆出现该迹象时的单独可信度。",
    ),
    "rules_theft_armed_weight_moving_without_ignition": (
        "Weight, armed: moved with the ignition off",
        "布防权重：熄火移动",
    ),
    "rules_theft_armed_weight_moving_without_ignition_what": (
        "How sure it makes us by itself, of an armed car.",
        "布防车辆出现该迹象时的单独可信度。",
    ),
    "rules_theft_armed_weight_displaced": ("Weight, armed: terminal: moved (bit 28)", "布防权重：终端报非法位移"),
    "rules_theft_armed_weight_displaced_what": (
        "How sure it makes us by itself, of an armed car.",
        "布防车辆出现该迹象时的单独可信度。",
    ),
    "rules_theft_armed_weight_illegal_ignition": (
        "Weight, armed: terminal: started (bit 27)",
        "布防权重：终端报非法点火",
    ),
    "rules_theft_armed_weight_illegal_ignition_what": (
        "How sure it makes us by itself, of an armed car.",
        "布防车辆出现该迹象时的单独可信度。",
    ),
    "rules_theft_armed_weight_stolen": ("Weight, armed: terminal: stolen (bit 26)", "布防权重：终端报被盗"),
    "rules_theft_armed_weight_stolen_what": (
        "How sure it makes us by itself, of an armed car.",
        "布防车辆出现该迹象时的单独可信度。",
    ),
    "rules_theft_armed_weight_power_cut": ("Weight, armed: power cut", "布防权重：断电"),
    "rules_theft_armed_weight_power_cut_what": (
        "How sure it makes us by itself, of an armed car.",
        "布防车辆出现该迹象时的单独可信度。",
    ),
    "rules_theft_armed_weight_jammed": ("Weight, armed: jammed", "布防权重：信号屏蔽"),
    "rules_theft_armed_weight_jammed_what": (
        "How sure it makes us by itself, of an armed car.",
        "布防车辆出现该迹象时的单独可信度。",
    ),
    "rules_theft_armed_weight_silenced": ("Weight, armed: fell silent", "布防权重：静默"),
    "rules_theft_armed_weight_silenced_what": (
        "How sure it makes us by itself, of an armed car.",
        "布防车辆出现该迹象时的单独可信度。",
    ),
    "rules_theft_armed_weight_left_place": ("Weight, armed: left its place", "布防权重：驶离原位"),
    "rules_theft_armed_weight_left_place_what": (
        "How sure it makes us by itself, of an armed car.",
        "布防车辆出现该迹象时的单独可信度。",
    ),
    "rules_theft_armed_weight_ignition": ("Weight, armed: ignition on", "布防权重：点火"),
    "rules_theft_armed_weight_ignition_what": (
        "How sure it makes us by itself, of an armed car.",
        "布防车辆出现该迹象时的单独可信度。",
    ),
    "rules_theft_armed_weight_door": ("Weight, armed: door opened", "布防权重：开门"),
    "rules_theft_armed_weight_door_what": (
        "How sure it makes us by itself, of an armed car.",
        "布防车辆出现该迹象时的单独可信度。",
    ),
}

_POWER: Final[dict[str, tuple[str, str]]] = {
    "rules_power": ("Power of the device", "设备供电"),
    "rules_power_what": ("When a device counts as cut from the car's power.", "何时认定设备被断电。"),
    "rules_power_reports": ("Reports", "报告数"),
    "rules_power_reports_what": (
        "So many in a row say that the power is cut, or is back.",
        "连续多少条报告断电或恢复供电。",
    ),
    "rules_power_s_min": ("Apart at least", "最短间隔"),
    "rules_power_s_min_what": ("From the first to the last of them.", "首末两条之间的时长。"),
    "rules_power_silent_s": ("Silent after the last", "断电后静默时长"),
    "rules_power_silent_s_what": (
        "One report says so, and then nothing for so long.",
        "仅一条断电报告，随后静默达到该时长。",
    ),
}

_CRASH: Final[dict[str, tuple[str, str]]] = {
    "rules_crash": ("Crashes", "碰撞"),
    "rules_crash_what": (
        "When a crash is suspected and confirmed: what is seen is weighed, and weights combine as independent.",
        "何时判定碰撞疑似与确认：各类依据按权重合并，视为相互独立。",
    ),
    "rules_crash_suspect_percent": ("Suspected from", "疑似阈值"),
    "rules_crash_suspect_percent_what": ("From this confidence on it is told.", "可信度达到该值即告警。"),
    "rules_crash_confirm_percent": ("Confirmed from", "确认阈值"),
    "rules_crash_confirm_percent_what": (
        "From this confidence on it is told once more, and stays.",
        "可信度达到该值即确认。",
    ),
    "rules_crash_collision_percent": ("Weight: collision bit (29)", "权重：碰撞报警（位 29）"),
    "rules_crash_collision_percent_what": (
        "How sure it makes us by itself, where there is all of it.",
        "该依据充分出现时的单独可信度。",
    ),
    "rules_crash_rollover_percent": ("Weight: rollover bit (30)", "权重：侧翻报警（位 30）"),
    "rules_crash_rollover_percent_what": (
        "How sure it makes us by itself, where there is all of it.",
        "该依据充分出现时的单独可信度。",
    ),
    "rules_crash_item_percent": ("Weight: maker's crash item", "权重：厂商碰撞项"),
    "rules_crash_item_percent_what": (
        "How sure it makes us by itself, where there is all of it.",
        "该依据充分出现时的单独可信度。",
    ),
    "rules_crash_acceleration_percent": ("Weight: acceleration", "权重：加速度峰值"),
    "rules_crash_acceleration_percent_what": (
        "How sure it makes us by itself, where there is all of it.",
        "该依据充分出现时的单独可信度。",
    ),
    "rules_crash_speed_change_percent": ("Weight: sudden change of speed", "权重：车速突变"),
    "rules_crash_speed_change_percent_what": (
        "How sure it makes us by itself, where there is all of it.",
        "该依据充分出现时的单独可信度。",
    ),
    "rules_crash_deceleration_percent": ("Weight: faster than brakes", "权重：超出制动能力的减速"),
    "rules_crash_deceleration_percent_what": (
        "How sure it makes us by itself, where there is all of it.",
        "该依据充分出现时的单独可信度。",
    ),
    "rules_crash_stopped_percent": ("Weight: stopped", "权重：随即停车"),
    "rules_crash_stopped_percent_what": (
        "How sure it makes us by itself, where there is all of it.",
        "该依据充分出现时的单独可信度。",
    ),
    "rules_crash_stayed_percent": ("Weight: stayed", "权重：停车未动"),
    "rules_crash_stayed_percent_what": (
        "How sure it makes us by itself, where there is all of it.",
        "该依据充分出现时的单独可信度。",
    ),
    "rules_crash_silence_percent": ("Weight: silent", "权重：失联"),
    "rules_crash_silence_percent_what": (
        "How sure it makes us by itself, where there is all of it.",
        "该依据充分出现时的单独可信度。",
    ),
    "rules_crash_sos_percent": ("Weight: emergency button", "权重：紧急报警"),
    "rules_crash_sos_percent_what": (
        "How sure it makes us by itself, where there is all of it.",
        "该依据充分出现时的单独可信度。",
    ),
    "rules_crash_jolt_mg": ("A blow from", "冲击起点"),
    "rules_crash_jolt_mg_what": ("A smaller acceleration is not looked at.", "低于该加速度不予考虑。"),
    "rules_crash_jolt_full_mg": ("A blow in full", "冲击满值"),
    "rules_crash_jolt_full_mg_what": ("From here on it has its whole weight.", "达到该加速度时按全部权重计。"),
    "rules_crash_change_from_mg": ("Change of speed counts from", "车速突变计入起点"),
    "rules_crash_change_from_mg_what": (
        "Only with such a peak: below it is a kerb or a pot-hole.",
        "峰值低于该值视为路沿或坑洼。",
    ),
    "rules_crash_change_full_mg": ("Change of speed in full", "车速突变计入满值"),
    "rules_crash_change_full_mg_what": ("With such a peak it has its whole weight.", "峰值达到该值时按全部权重计。"),
    "rules_crash_pulse_ms": ("Shortest blow of a car", "最短碰撞脉冲"),
    "rules_crash_pulse_ms_what": (
        "A shorter one means less change of speed for the same peak.",
        "脉冲越短，同样峰值对应的速度变化越小。",
    ),
    "rules_crash_deceleration_from_mg": ("Faster than brakes from", "超制动减速起点"),
    "rules_crash_deceleration_from_mg_what": ("Tyres brake with about 1 g at most.", "轮胎制动最大约为 1 g。"),
    "rules_crash_deceleration_full_mg": ("Faster than brakes in full", "超制动减速满值"),
    "rules_crash_deceleration_full_mg_what": ("From here on it has its whole weight.", "达到该减速度时按全部权重计。"),
    "rules_crash_dense_ms": ("Reports count as dense up to", "密集上报间隔上限"),
    "rules_crash_dense_ms_what": (
        "Farther apart, a fall of the speed says nothing.",
        "间隔更长时，车速下降不能说明问题。",
    ),
    "rules_crash_driving_kmh": ("Driving from", "行驶车速"),
    "rules_crash_driving_kmh_what": (
        "Who was slower did not stop because of a blow.",
        "低于该车速不视为因碰撞而停车。",
    ),
    "rules_crash_standing_kmh": ("Standing below", "静止车速"),
    "rules_crash_standing_kmh_what": (
        "Receivers wander: a standing car is not at 0 exactly.",
        "定位漂移使静止车辆的车速不恰为 0。",
    ),
    "rules_crash_stop_s": ("Stands within", "停车时限"),
    "rules_crash_stop_s_what": ("After the blow; later it has other reasons.", "碰撞后多久内停车；更晚则另有原因。"),
    "rules_crash_stopped_s": ("Stopped after", "停车确认时长"),
    "rules_crash_stopped_s_what": ("So long it must stand.", "需静止达到该时长。"),
    "rules_crash_stayed_s": ("Stayed after", "停留确认时长"),
    "rules_crash_stayed_s_what": ("Longer than most red lights.", "应长于多数红灯时间。"),
    "rules_crash_silence_s": ("Silent after", "失联时长"),
    "rules_crash_silence_s_what": ("And three of its own intervals.", "且不少于该车三个上报间隔。"),
    "rules_crash_drive_on_m": ("Drove on after", "继续行驶距离"),
    "rules_crash_drive_on_m_what": ("So far, and the suspicion is cleared.", "行驶达到该距离即排除疑似。"),
    "rules_crash_drive_on_s": ("And after", "继续行驶时长"),
    "rules_crash_drive_on_s_what": ("Not sooner than this.", "不早于该时长。"),
    "rules_crash_alone_s": ("Alone for", "无佐证时长"),
    "rules_crash_alone_s_what": ("Nothing in addition for so long, and it is cleared.", "该时长内无其他佐证即排除。"),
    "rules_crash_moderate_kmh": ("Moderate from", "中度阈值"),
    "rules_crash_moderate_kmh_what": ("By the change of speed.", "按速度变化量划分。"),
    "rules_crash_severe_kmh": ("Severe from", "严重阈值"),
    "rules_crash_severe_kmh_what": ("By the change of speed.", "按速度变化量划分。"),
}

_FAULTS: Final[dict[str, tuple[str, str]]] = {
    "rules_fault_unknown": ("There is no threshold {name}", "没有参数 {name}"),
    "rules_fault_kind": ("{name} is not a value of this kind: {fault}", "{name} 的取值类型不正确：{fault}"),
    "rules_fault_least": ("{name} is at least {bound}", "{name} 不能小于 {bound}"),
    "rules_fault_most": ("{name} is at most {bound}", "{name} 不能大于 {bound}"),
    "rules_fault_together": ("These do not go together: {fault}", "这些取值相互矛盾：{fault}"),
}

_PAGE: Final[dict[str, tuple[str, str]]] = {
    "rules_page_what": (
        "What each detector judges the whole group's cars by. A change counts at once, without a restart.",
        "各检测项对集团全部车辆的判定参数。修改后立即生效，无需重启。",
    ),
    "rules_own": ("{n} changed", "已修改 {n} 项"),
    "rules_as_delivered": ("As delivered", "出厂默认"),
    "rules_version": ("Version {n}", "第 {n} 版"),
    "rules_thresholds": ("Thresholds", "判定参数"),
    "rules_threshold": ("Threshold", "参数"),
    "rules_read_only": ("You see these thresholds and do not change them.", "您可以查看检测参数，但无权修改。"),
    "rules_group_only": (
        "They are the whole group's: only who has all of its stores changes them.",
        "检测参数适用于整个集团，只能由可管理全部门店的人员修改。",
    ),
    "rules_default": ("Default {value}", "默认 {value}"),
    "rules_bounds": ("{least} to {most}", "范围 {least}–{most}"),
    "rules_to_default": ("Back to the default, {value}", "恢复默认值 {value}"),
    "rules_all_default": ("All back to default", "全部恢复默认"),
    "rules_on": ("On", "开启"),
    "rules_off": ("Off", "关闭"),
    "rules_unchanged": ("Nothing changed", "尚无修改"),
    "rules_changed": ("{n} to be changed", "{n} 项待修改"),
    "rules_review": ("Review changes", "核对修改"),
    "rules_now": ("In force", "现行"),
    "rules_then": ("Then", "修改后"),
    "rules_counts_from": (
        "Counts from the next reports on, for all cars of the group. What was found already stays.",
        "自下一条上报起对集团全部车辆生效；已产生的事件不受影响。",
    ),
    "rules_note": ("Why", "修改原因"),
    "rules_note_hint": ("Stands in the history.", "将记入修改记录。"),
    "rules_save": ("Save and apply", "保存并生效"),
    "rules_saved": ("Saved, in force at once", "已保存并生效"),
    "rules_history": ("History", "修改记录"),
    "rules_take": ("Take these values", "填入此版参数"),
    "rules_wrong_number": ("A number is needed", "请填写数字"),
    "rules_wrong_whole": ("A whole number is needed", "请填写整数"),
    "rules_wrong_least": ("At least {bound}", "不能小于 {bound}"),
    "rules_wrong_most": ("At most {bound}", "不能大于 {bound}"),
    "rules_unit_h": ("h", "小时"),
    "rules_unit_min": ("min", "分钟"),
    "rules_unit_s": ("s", "秒"),
    "rules_unit_ms": ("ms", "毫秒"),
    "rules_unit_m": ("m", "米"),
    "rules_unit_km": ("km", "公里"),
    "rules_unit_cm": ("cm", "厘米"),
    "rules_unit_kmh": ("km/h", "公里/时"),
    "rules_unit_g": ("g", "g"),
    "rules_unit_mg": ("mg", "mg"),
    "rules_unit_deg": ("°", "°"),
    "rules_unit_percent": ("%", "%"),
    "rules_unit_fixes": ("fixes", "个"),
    "rules_unit_reports": ("reports", "条"),
}

_TRIAL: Final[dict[str, tuple[str, str]]] = {
    "rules_try": ("Try on the last 24 hours", "用近 24 小时数据试算"),
    "rules_try_what": (
        "Judges the stored reports again, beside live detection, and shows what would have differed.",
        "在不影响实时检测的情况下重新判定已存上报，列出结果差异。",
    ),
    "rules_trying": ("How far the trial has come", "试算进度"),
    "rules_trying_reports": ("{n} reports judged", "已判定 {n} 条上报"),
    "rules_trial_failed": ("The trial could not be done", "试算失败"),
    "rules_trial_same": ("Nothing would have differed", "结果没有差异"),
    "rules_trial_judged": ("{n} reports judged:", "共判定 {n} 条上报："),
    "rules_trial_type": ("Event", "事件"),
    "rules_trial_gained": ("Gained", "新增"),
    "rules_trial_lost": ("Lost", "消失"),
    "rules_trial_moved": ("Otherwise", "变化"),
    "rules_trial_altered": ("Otherwise", "变化"),
    "rules_trial_list": ("{n} differences", "{n} 处差异"),
    "rules_trial_first": (
        "The first {n} are shown; carillon replay lists more.",
        "仅显示前 {n} 处，其余可用 carillon replay 查看。",
    ),
    "rules_trial_exact": ("How exact this is", "结果的精确程度"),
    "rules_caveat_today": (
        "Fences, arming, and whose a car is are as they stand today, not as they stood then.",
        "围栏、布防状态与车辆归属按今天的设置，而非当时的设置。",
    ),
    "rules_caveat_warm_up": (
        "State is built up from two hours before the span: what began before that is not known.",
        "状态自时段开始前两小时建立，更早开始的情形无从得知。",
    ),
    "rules_caveat_repeats": (
        "A report that a terminal sent twice stands where it came last, and reports of one frame by their time.",
        "终端重复发送的上报按最后一次到达计，同一报文内的上报按时间排列。",
    ),
    "rules_caveat_listening": (
        "Silence is judged as if the node had been up all the time.",
        "静默类判定按平台始终在线处理。",
    ),
    "rules_caveat_late": (
        "Reports that came more than an hour after the span are not read.",
        "时段结束一小时之后才到达的补报不参与判定。",
    ),
    "rules_caveat_versions": (
        "What the log holds was judged by the thresholds of that time.",
        "事件记录中的结果按当时的参数判定。",
    ),
}

MESSAGES: Final[dict[str, tuple[str, str]]] = {**_GEOFENCE, **_THEFT, **_POWER, **_CRASH, **_FAULTS, **_PAGE, **_TRIAL}
