"""Names of people who do not exist: surnames as common as they are in China, given names as three generations like.

What matters to whoever has to tell people apart: some surnames are seventy times as common as others, so that agreeing
on 王 says little and on 欧阳 much; given names have one character or two and go with sex and age; and what sounds alike
is written in several ways, which is how a name heard over the telephone goes wrong.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

_SURNAMES: Final = (
    "王wang71 李li70 张zhang67 刘liu51 陈chen46 杨yang31 黄huang22 赵zhao20 周zhou19 吴wu19 徐xu16 孙sun15 "
    "胡hu13 朱zhu13 高gao12 林lin12 何he11 郭guo11 马ma10 罗luo10 梁liang9 宋song9 郑zheng8 谢xie8 韩han8 "
    "唐tang7 冯feng7 于yu7 董dong7 萧xiao6 程cheng6 曹cao6 袁yuan5 邓deng5 许xu5 傅fu5 沈shen5 曾zeng5 彭peng5 "
    "吕lv5 苏su5 卢lu5 蒋jiang5 蔡cai5 贾jia4 丁ding4 魏wei4 薛xue4 叶ye4 阎yan4 余yu4 潘pan4 杜du4 戴dai4 "
    "夏xia4 钟zhong4 汪wang4 田tian4 任ren4 姜jiang4 范fan4 方fang4 石shi4 姚yao4 谭tan4 廖liao4 邹zou3 熊xiong3 "
    "金jin3 陆lu3 郝hao3 孔kong3 白bai3 崔cui3 康kang3 毛mao3 邱qiu3 秦qin3 江jiang3 史shi3 顾gu3 侯hou3 邵shao3 "
    "孟meng3 龙long3 万wan3 段duan3 章zhang2 雷lei3 钱qian3 汤tang3 尹yin3 黎li3 易yi2 常chang2 武wu2 乔qiao2 "
    "贺he2 赖lai2 龚gong2 文wen2 严yan2 俞yu1 仇qiu1 欧阳ouyang1 司马sima1 上官shangguan1"
)
"""Character, sound, persons in a thousand: the hundred most common, rounded, and some that few have."""
_MEN: Final = (
    "伟wei 强qiang 军jun 磊lei 勇yong 涛tao 杰jie 明ming 超chao 建jian 国guo 华hua 志zhi 文wen 平ping 斌bin "
    "辉hui 鹏peng 浩hao 宇yu 飞fei 刚gang 波bo 峰feng 健jian 东dong 亮liang 海hai 俊jun 龙long 凯kai 林lin "
    "成cheng 洋yang 旭xu 翔xiang 永yong 德de 庆qing 宏hong 胜sheng 春chun 新xin 荣rong 福fu 祥xiang 松song "
    "江jiang 彬bin 毅yi 晨chen 博bo 天tian 子zi 轩xuan 泽ze 瑞rui 航hang 嘉jia 睿rui 豪hao 铭ming 昊hao 一yi "
    "梓zi 辰chen 煜yu 逸yi 诚cheng 钧jun 炜wei 玮wei 维wei 韬tao 斯si 坚jian 锋feng 宾bin 晖hui 朋peng 栋dong "
    "琪qi 城cheng 霖lin 鑫xin 欣xin 立li 力li 利li 礼li 远yuan 源yuan"
)
_WOMEN: Final = (
    "英ying 秀xiu 玉yu 华hua 兰lan 桂gui 珍zhen 芳fang 丽li 敏min 静jing 艳yan 娟juan 霞xia 燕yan 红hong 梅mei "
    "玲ling 萍ping 娜na 婷ting 雪xue 慧hui 莉li 琳lin 晶jing 洁jie 倩qian 颖ying 佳jia 蕾lei 丹dan 洋yang 薇wei "
    "莹ying 晓xiao 文wen 云yun 春chun 凤feng 淑shu 惠hui 琴qin 素su 翠cui 菊ju 妍yan 欣xin 怡yi 梓zi 涵han 雨yu "
    "思si 诗shi 梦meng 瑶yao 可ke 子zi 嘉jia 璇xuan 萱xuan 彤tong 宁ning 悦yue 月yue 婧jing 菁jing 靖jing 荧ying "
    "瑛ying 虹hong 鸿hong 岚lan 澜lan 芸yun 韵yun 语yu 羽yu 茜qian 琪qi 祺qi 珊shan 姗shan 莎sha 沙sha 宜yi 仪yi "
    "珮pei 佩pei"
)
"""Character and sound; the generation of those born before 1970 prefers the first, the youngest the last."""
ERAS: Final = (1970, 1990)
"""Born before the first, before the second, or after."""


class Sign(NamedTuple):
    """One character of a name (two of a double surname), and how it sounds."""

    text: str
    sound: str
    share: float
    """Of all who are drawn from its table."""


def _table(words: str, shares: np.ndarray | None = None) -> tuple[Sign, ...]:
    found = [re.fullmatch(r"(\D?[^a-z]+)([a-z]+)(\d*)", word) for word in words.split()]
    parts = [(match[1], match[2], float(match[3] or 0)) for match in found if match]
    weights = np.array([part[2] for part in parts]) if shares is None else shares
    total = weights.sum()
    return tuple(Sign(text, sound, float(w / total)) for (text, sound, _), w in zip(parts, weights, strict=True))


def _given(words: str, era: int) -> tuple[Sign, ...]:
    """Return the characters of a sex in the taste of one generation: as Zipf has it, from where fashion stands."""
    count = len(words.split())
    away = np.abs(np.arange(count) - era * (count - 1) / len(ERAS))
    return _table(words, 1.0 / (8.0 + away))


SURNAMES: Final = _table(_SURNAMES)
GIVEN: Final[Mapping[tuple[str, int], tuple[Sign, ...]]] = MappingProxyType(
    {(sex, era): _given(words, era) for sex, words in (("m", _MEN), ("f", _WOMEN)) for era in range(len(ERAS) + 1)}
)
"""Characters of given names by sex and generation."""
ONE_CHARACTER: Final = (0.25, 0.45, 0.12)
"""Share of given names with one character, by generation."""


def _alike(tables: tuple[tuple[Sign, ...], ...]) -> Mapping[str, str]:
    """Return for each character those that sound the same, itself left out."""
    sounds: dict[str, dict[str, None]] = {}
    for sign in (sign for table in tables for sign in table):
        sounds.setdefault(sign.sound, {})[sign.text] = None
    return MappingProxyType(
        {text: "".join(one for one in alike if one != text) for alike in sounds.values() for text in alike}
    )


ALIKE_SURNAMES: Final = _alike((SURNAMES,))
ALIKE_GIVEN: Final = _alike(tuple(GIVEN.values()))
SOUNDS: Final[Mapping[str, str]] = MappingProxyType(
    {sign.text: sign.sound for table in (SURNAMES, *GIVEN.values()) for sign in table}
)
"""How each character is read, in Latin letters."""
