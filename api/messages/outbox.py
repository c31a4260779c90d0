"""Texts of the outbox."""

from typing import Final

MESSAGES: Final[dict[str, tuple[str, str]]] = {
    "outbox_what": (
        "What would have been sent to whom. No message leaves this platform until a real channel is configured.",
        "本应发送的消息。在配置真实通道之前，任何消息都不会发出。",
    ),
    "outbox_search": ("Recipient, subject, text", "收件人、主题、内容"),
    "outbox_state": ("State", "状态"),
    "outbox_state_requested": ("asked for", "待发送"),
    "outbox_state_sent": ("sent", "已发送"),
    "outbox_state_confirmed": ("confirmed", "已送达"),
    "outbox_state_failed": ("failed", "失败"),
    "outbox_state_unknown": ("unknown", "结果未知"),
    "outbox_channel": ("Channel", "通道"),
    "outbox_to": ("To", "收件人"),
    "outbox_subject": ("Subject", "主题"),
    "outbox_text": ("Message", "消息"),
    "outbox_reason": ("Reason", "原因"),
    "outbox_time": ("Asked for", "请求时间"),
    "outbox_about": ("Events of this car", "查看该车事件"),
    "outbox_none": ("No message yet", "尚无消息"),
    "outbox_none_what": (
        "Say on your account page what you want a message about: a suspected crash, SOS, a fence crossed.",
        "请在“我的账号”中选择需要通知的事件：碰撞疑似、紧急报警、进出围栏等。",
    ),
    "outbox_none_do": ("Choose messages", "选择通知"),
}
