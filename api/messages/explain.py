"""Texts of the page that explains frames. What messages and fields are called stands in jt808.py."""

from typing import Final

MESSAGES: Final[dict[str, tuple[str, str]]] = {
    "explain_what": (
        "Paste what a terminal sent, and see what every byte of it says. Nothing is kept.",
        "粘贴终端报文，逐字节查看含义。内容不会被保存。",
    ),
    "explain_frames": ("Frames in hexadecimal", "十六进制报文"),
    "explain_hint": (
        "One a line, {n} at most, with or without flags and spaces.",
        "每行一帧，最多 {n} 帧；标识位与空格可有可无。",
    ),
    "explain_do": ("Explain", "解析"),
    "explain_examples": ("or try:", "示例："),
    "explain_example_location": ("a position", "位置汇报"),
    "explain_example_register": ("a registration", "终端注册"),
    "explain_example_text": ("a text on its way down", "文本信息下发"),
    "explain_example_broken": ("a wrong checksum", "校验错误"),
    "explain_none": ("No frame yet", "尚无报文"),
    "explain_none_what": (
        "Paste one above, or take one of the examples. Frames of a car stand on its page.",
        "请在上方粘贴报文，或点击示例。车辆的原始报文见车辆页面。",
    ),
    "explain_left_out": (
        "{n} lines were left out: a page explains {most}.",
        "另有 {n} 行未解析：一页最多解析 {most} 帧。",
    ),
    "explain_unreadable": ("This cannot be read", "无法解析"),
    "explain_error": ("Reading ends here", "解析在此中止"),
    "explain_at": ("at byte {n}", "位于第 {n} 字节"),
    "explain_version": ("Version", "版本"),
    "explain_phone": ("Phone", "终端手机号"),
    "explain_serial": ("Serial", "流水号"),
    "explain_length": ("Bytes", "字节数"),
    "explain_bytes": ("{n}", "{n}"),
    "explain_offset": ("At", "偏移"),
    "explain_field": ("Field", "字段"),
    "explain_raw": ("Raw", "原始字节"),
    "explain_value": ("Value", "值"),
    "explain_meaning": ("Meaning", "含义"),
}
