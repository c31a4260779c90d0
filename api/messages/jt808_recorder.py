"""Words of the drive recorder's blocks (GB/T 19056), of terminal control's fields and of what some add to 0x0702.

Keys as in jt808.py: `struct_recordrange_blocks_max`, `choice_command_clock`, `word_power_on`.
"""

from typing import Final

from api.messages.jt808 import key_of

FIELDS: Final[dict[str, tuple[str, str]]] = {
    "blocks_max": ("blocks at most", "最大单位数据块个数"),
    "clock_ms": ("recorder's clock", "记录仪实时时间"),
    "installed_ms": ("first installed", "初次安装时间"),
    "initial_km10": ("mileage when installed", "初始里程"),
    "total_km10": ("mileage", "累计行驶里程"),
    "pulses_per_km": ("pulses a kilometre", "脉冲系数"),
    "plate_class": ("kind of plate", "机动车号牌分类"),
    "licence": ("driving licence", "机动车驾驶证号码"),
    "height_m": ("height", "海拔高度"),
    "seconds": ("by second", "每秒数据"),
    "minutes": ("by minute", "每分钟位置"),
    "head": ("beginning of the block", "起始字头"),
    "parity": ("block's XOR", "数据块校验"),
    "semicolon": ("semicolon", "分隔符"),
    "standard": ("standard edition", "执行标准版本"),
    "amendment": ("amendment", "修改单号"),
    "mileage": ("mileage", "累计行驶里程信息"),
    "pulses": ("pulse coefficient", "脉冲系数信息"),
    "vehicle": ("vehicle", "车辆信息"),
    "recorder": ("recorder", "记录仪唯一性编号"),
    "speeds": ("speed by second", "行驶速度记录"),
    "positions": ("position by minute", "位置信息记录"),
    "accidents": ("accidents", "事故疑点记录"),
    "over_time": ("driving over time", "超时驾驶记录"),
    "logins": ("driver log-ins", "驾驶人身份记录"),
    "power": ("power on and off", "外部供电记录"),
    "changes": ("changed settings", "参数修改记录"),
    "speed_states": ("speed states", "速度状态日志"),
    "range": ("which records", "采集范围"),
    "signal_bytes": ("bytes of signals", "状态信号字节个数"),
    "names": ("names of the signals", "状态信号名称"),
    **{f"signal_{bit}": (f"name of D{bit}", f"D{bit} 名称") for bit in range(8)},
    "produced_on": ("produced on", "生产日期"),
    "recorder_kmh": ("recorder's speed", "记录仪速度"),
    "reference_kmh": ("reference speed", "参考速度"),
    "server": ("server to go to", "指定服务器"),
    "upgrade": ("upgrade", "无线升级"),
    "url": ("URL", "URL 地址"),
    "apn": ("APN", "拨号点名称"),
    "address": ("address", "地址"),
    "limit_min": ("time limit", "时限"),
    "connection": ("connection", "连接控制"),
    "face_match_percent": ("face matches the card", "人脸匹配度"),
    "face_id": ("whose face it is", "人脸 ID"),
}
"""Field -> (English, Chinese)."""

IN_STRUCT: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "RecordedVehicle": {"vin": ("VIN", "车辆识别代号")},
    "Accident": {"steps": ("every 0.2 s, back from the end", "停车前每 0.2 秒的速度与状态")},
    "StandardEdition": {"year": ("year", "标准年号后 2 位")},
    "RecorderIdentity": {
        "certificate": ("CCC code", "生产厂 CCC 认证代码"),
        "model": ("model", "认证产品型号"),
        "number": ("production number", "产品生产流水号"),
        "reserved": ("reserved", "备用"),
    },
    "RecorderOrder": {"signals": ("names of the signals", "状态信号配置"), "command": ("what is asked", "命令字")},
    "RecorderAnswer": {"signals": ("names of the signals", "状态信号配置"), "command": ("what is told", "命令字")},
    "SpeedSecond": {"speed_kmh": ("speed", "速度"), "signals": ("signals", "状态信号")},
    "PositionMinute": {"speed_kmh": ("average speed", "平均速度")},
    "DrivingOverTime": {"start": ("where it began", "开始位置"), "end": ("where it ended", "结束位置")},
    "DriverLogin": {"kind": ("log in or out", "登录/退出")},
    "PowerEvent": {"kind": ("power", "供电事件")},
    "SettingChange": {"command": ("what was set", "修改的参数")},
    "SpeedState": {"state": ("speed state", "速度状态")},
    "WirelessUpgrade": {
        "maker": ("maker", "制造商 ID"),
        "limit_min": ("time limit, 0 for none", "连接到指定服务器时限，0 为不限"),
    },
    "GivenServer": {
        "code": ("authentication code", "监管平台鉴权码"),
        "limit_min": ("stay there for, 0 until told otherwise", "连接时限，0 为一直连接"),
    },
}
"""Struct -> its fields that are called otherwise."""

COMMANDS: Final[dict[str, str]] = {
    "standard edition": "采集执行标准版本",
    "driver's licence": "采集驾驶人信息",
    "clock": "采集实时时间",
    "mileage": "采集累计行驶里程",
    "pulse coefficient": "采集脉冲系数",
    "vehicle": "采集车辆信息",
    "signals": "采集状态信号配置",
    "recorder": "采集记录仪唯一性编号",
    "speed by second": "采集行驶速度记录",
    "position by minute": "采集位置信息记录",
    "accidents": "采集事故疑点记录",
    "driving over time": "采集超时驾驶记录",
    "driver log-ins": "采集驾驶人身份记录",
    "power on and off": "采集外部供电记录",
    "changed settings": "采集参数修改记录",
    "speed states": "采集速度状态日志",
    "set vehicle": "设置车辆信息",
    "set installation date": "设置初次安装日期",
    "set signals": "设置状态量配置",
    "set clock": "设置记录仪时间",
    "set pulse coefficient": "设置脉冲系数",
    "set initial mileage": "设置初始里程",
    "collecting failed": "采集失败",
    "setting failed": "设置失败",
}
"""English text of a recorder's command -> Chinese."""

WORDS: Final[dict[str, str]] = {
    "log in": "登录",
    "log out": "退出",
    "power on": "通电",
    "go to the given server": "切换到指定监管平台服务器",
    "return to the own platform": "切换回原缺省监控平台服务器",
    "to the recorder": "下行",
    "from the recorder": "上行",
    "ends the field": "分隔字段",
}

MESSAGES: Final[dict[str, tuple[str, str]]] = {
    **{f"field_{name}": said for name, said in FIELDS.items()},
    **{f"struct_{struct.lower()}_{name}": said for struct, own in IN_STRUCT.items() for name, said in own.items()},
    **{f"choice_command_{key_of(english)}": (english, chinese) for english, chinese in COMMANDS.items()},
    **{f"word_{key_of(english)}": (english, chinese) for english, chinese in WORDS.items()},
    "choice_parity_right": ("right", "正确"),
    "word_custom_n": ("custom {n}", "自定义 {n}"),
    "unit_0_0001": ("0.0001′", "0.0001 分"),
}
