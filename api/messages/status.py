"""Texts of the status page and of /docs."""

from typing import Final

MESSAGES: Final[dict[str, tuple[str, str]]] = {
    "title": ("Carillon", "Carillon 车联网平台"),
    "what": (
        "Telematics for car dealer groups: keeps every report a car has had acknowledged, and sees what happens to it.",
        "面向汽车经销商集团的车联网平台：凡已应答的上报，必已落盘；车辆发生什么，即时可知。",
    ),
    "well": ("At work", "运行正常"),
    "unwell": ("Not ready", "尚未就绪"),
    "well_detail": (
        "Terminals can connect and their reports are stored.",
        "终端可以接入，上报数据正在入库。",
    ),
    "node": ("Node", "节点"),
    "version": ("Version", "版本"),
    "up_since": ("Up since", "启动时间"),
    "figures": ("Figures", "运行指标"),
    "no_figures": ("No part has anything to count yet.", "尚无指标。"),
    "figure_sessions": ("terminals logged in", "在线终端"),
    "figure_links": ("connections open", "当前连接"),
    "figure_terminals": ("terminals known", "已登记终端"),
    "figure_acknowledged": ("position frames acknowledged", "已应答定位帧"),
    "figure_stored": ("reports stored", "已入库上报"),
    "figure_behind": ("journal segments waiting for the store", "待入库日志段"),
    "figure_events": ("events in the log", "事件总数"),
    "figure_refused": ("frames refused: not logged in", "未鉴权而拒绝的帧"),
    "figure_checksum": ("frames with a bad checksum", "校验错误帧"),
    "positions": ("Where cars are", "车辆位置"),
    "positions_closed": (
        "Positions are shown to holders of the key only: ask the API with it.",
        "位置数据仅对持有密钥者开放，请携密钥通过接口查询。",
    ),
    "positions_none": ("No car has reported a position yet.", "尚无车辆上报位置。"),
    "positions_more": ("The first {shown} of {all}.", "共 {all} 辆，此处列出前 {shown} 辆。"),
    "vehicle": ("Car", "车辆"),
    "time": ("Fix (UTC)", "定位时间 (UTC)"),
    "latitude": ("Latitude", "纬度"),
    "longitude": ("Longitude", "经度"),
    "speed": ("km/h", "公里/时"),
    "course": ("Course", "方向"),
    "online": ("Online", "在线"),
    "next": ("Where to go on", "继续"),
    "link_docs": ("The API, operation by operation", "接口文档"),
    "link_positions": ("Live positions as JSON", "实时位置（JSON）"),
    "link_events": ("The event log as JSON", "事件日志（JSON）"),
    "link_metrics": ("All figures for Prometheus", "全部指标（Prometheus）"),
    "link_health": ("Health as JSON", "健康状态（JSON）"),
    "other_language": ("中文", "English"),
    "docs_title": ("The API of Carillon", "Carillon 接口文档"),
    "docs_what": (
        (
            "What is under /api/v1 takes Authorization: Bearer and the key that stands in run/api.key of the data "
            "directory. Each fault has a code."
        ),
        "/api/v1 下的接口须携带 Authorization: Bearer 密钥（见数据目录 run/api.key）。错误应答均含错误码。",
    ),
    "docs_schema": ("The same as an OpenAPI document", "OpenAPI 文档"),
    "parameter": ("Parameter", "参数"),
    "where": ("In", "位置"),
    "takes": ("Takes", "取值"),
    "answers": ("Answers", "应答"),
}
