"""Texts of the page on which people approve what others asked for."""

from typing import Final

MESSAGES: Final[dict[str, tuple[str, str]]] = {
    "nav_approvals": ("Approvals", "审批"),
    "approvals_what": (
        "Commands that two people must approve before they are sent, neither of them who asked.",
        "须经两人批准方可下发的指令；申请人不能审批自己的申请。",
    ),
    "approvals_waiting": ("{n} commands wait for approval", "{n} 条指令待审批"),
    "approvals_none": ("Nothing waits for approval", "暂无待审批的指令"),
    "approvals_none_what": (
        "Vehicle control, terminal control, and parameters that lead a terminal elsewhere stand here for ten minutes.",
        "车辆控制、终端控制以及更改服务器等参数的指令提交后将在此等待审批，10 分钟内有效。",
    ),
    "approvals_persons_only": (
        "Only a person who is logged in approves; a key does not.",
        "仅登录的人员可审批，密钥不能审批。",
    ),
    "approvals_car": ("Car", "车辆"),
    "approvals_who": ("Asked by", "申请人"),
    "approvals_fix": ("Position of", "定位时间"),
    "approvals_given": ("Approved", "已批准"),
    "approvals_left": ("time left", "剩余时间"),
    "approvals_immobilises": ("may stop the car", "可能使车辆停驶"),
    "approvals_immobilises_what": (
        "It goes out only at 5 km/h or less, by a fix younger than 10 seconds; until then it waits.",
        "仅当车速不超过 5 公里/时且定位时间在 10 秒以内时下发，否则继续等待。",
    ),
    "approvals_reason": ("Reason", "理由"),
    "approvals_reason_missing": ("Say why", "请填写驳回理由"),
    "approvals_approve": ("Approve", "批准"),
    "approvals_reject": ("Reject", "驳回"),
    "approvals_take_back": ("Take it back", "撤回申请"),
    "approvals_own": ("You asked for it: two others approve it.", "您是申请人，须由其他两人批准。"),
    "approvals_mine": ("You have approved it; somebody else is the second.", "您已批准，尚需另一人批准。"),
    "approvals_rejected": ("Rejected: it is not sent.", "已驳回，不会下发。"),
    "approvals_one_more": ("Approved. One more has to.", "已批准，尚需另一人批准。"),
    "approvals_sent": ("Approved by both: it goes out.", "两人均已批准，即将下发。"),
}
