"""Texts of how good positions are: what cleaning set aside, per car, per group, and on a track."""

from typing import Final

MESSAGES: Final[dict[str, tuple[str, str]]] = {
    "nav_quality": ("Position quality", "定位质量"),
    # Why a report is not judged by.
    "quality_jump": ("Jump", "定位漂移"),
    "quality_jump_what": (
        "No car comes so far in that time: reflections between buildings, or a faulty antenna.",
        "该时间内车辆不可能到达：多为高楼反射或天线故障。",
    ),
    "quality_frozen": ("Frozen", "定位冻结"),
    "quality_frozen_what": (
        "Speed, but the very same coordinates: the receiver repeats its last fix.",
        "有车速而坐标完全不变：终端重复上报最后一次定位。",
    ),
    "quality_clock": ("Clock ahead", "时钟超前"),
    "quality_clock_what": ("Its time lies ahead of its arrival.", "定位时间晚于平台接收时间。"),
    "quality_no_fix": ("No fix", "未定位"),
    "quality_no_fix_what": (
        "The terminal says so: a garage, a tunnel, or an antenna that is covered or unplugged.",
        "终端上报未定位：车库、隧道，或天线被遮挡、脱落。",
    ),
    "quality_position_bad": ("Impossible place", "坐标无效"),
    "quality_position_bad_what": ("Beyond the poles or the date line.", "经纬度超出有效范围。"),
    "quality_time_bad": ("No usable time", "时间无效"),
    "quality_time_bad_what": (
        "Missing, unreadable, before 2010, or more than a day ahead.",
        "时间缺失、无法解析、早于 2010 年或超前一天以上。",
    ),
    "quality_late": ("Late", "补报"),
    "quality_late_what": (
        "Older than what was heard before: on the track, not used for what is now.",
        "早于已收到的定位：计入轨迹，不用于实时判定。",
    ),
    "quality_repeated": ("Sent twice", "重复上报"),
    "quality_repeated_what": ("Stored once.", "只存储一次。"),
    # The card of a car.
    "quality_title": ("Position quality", "定位质量"),
    "quality_good": ("{share} of {n} reports used", "{n} 条上报中 {share} 可用"),
    "quality_good_all": ("All {n} reports used", "{n} 条上报全部可用"),
    "quality_since": ("counted since {time}", "自 {time} 起统计"),
    "quality_last": ("Last set aside {ago}", "最近一次剔除：{ago}"),
    "quality_behind": (
        "The clock is {hours} h behind: the terminal must be told its time zone.",
        "终端时钟慢 {hours} 小时：请为终端设置时区。",
    ),
    "quality_ahead": (
        "The clock is {hours} h ahead: the terminal must be told its time zone.",
        "终端时钟快 {hours} 小时：请为终端设置时区。",
    ),
    "quality_nothing": ("Nothing has been heard yet", "尚未收到上报"),
    "quality_nothing_what": (
        "Once a terminal of this car reports, what is good and what is set aside is counted here.",
        "该车终端开始上报后，将在此统计可用与被剔除的定位。",
    ),
    "quality_elsewhere": (
        "This process does not judge: ask the node that takes terminals in.",
        "本进程不执行判定，请在接入节点查看。",
    ),
    "quality_compare": ("Compare terminals", "对比各终端"),
    # The table of a group.
    "quality_what": (
        "Terminals of whose reports some were set aside, the worst first. All is stored; only the good is judged by.",
        "按被剔除上报的占比由高到低排列。被剔除的上报仅存储，不参与任何判定。",
    ),
    "quality_car": ("Car", "车辆"),
    "quality_store": ("Store", "门店"),
    "quality_phone": ("Terminal", "终端"),
    "quality_share": ("Set aside", "剔除占比"),
    "quality_reports": ("Reports", "上报数"),
    "quality_unusable": ("Unusable", "无效数据"),
    "quality_hours": ("Clock off by", "时钟偏差"),
    "quality_hours_behind": ("{hours} h behind", "慢 {hours} 小时"),
    "quality_hours_ahead": ("{hours} h ahead", "快 {hours} 小时"),
    "quality_aside_ms": ("Last", "最近一次"),
    "quality_reason": ("Reason", "原因"),
    "quality_none": ("Every position is good", "所有定位均可用"),
    "quality_none_what": (
        "Nothing that your cars' terminals sent had to be set aside.",
        "您的车辆终端上报的定位无需剔除。",
    ),
    # The track.
    "track_aside": ("Set aside", "已剔除的定位"),
    "track_aside_what": (
        "Hollow on the map; no line leads to them, and no distance counts them.",
        "地图上以空心圆标示，不连线，不计里程。",
    ),
    "track_aside_legend": ("set aside ({n})", "已剔除（{n}）"),
    "track_aside_more": ("and {n} more on the map", "另有 {n} 个见地图"),
}
