"""The words of reviews: aspects and what is said of them, in English and Chinese. Written for this project.

An aspect is named in English; every other surface is an alias. Surfaces are lower case.
"""

from collections.abc import Mapping
from types import MappingProxyType


def _aspects(rows: str) -> Mapping[str, tuple[str, ...]]:
    table = {}
    for row in rows.strip().splitlines():
        name, _, surfaces = row.partition(":")
        table[name.strip()] = tuple(dict.fromkeys(part.strip() for part in (*surfaces.split(","), name)))
    return MappingProxyType(table)


def _words(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.replace("\n", ",").split(",") if part.strip())


ASPECTS = _aspects("""
    quality: build quality, workmanship, construction, craftsmanship, 质量, 做工, 品质
    price: pricing, value, value for money, 价格, 价钱, 性价比
    scent: smell, fragrance, aroma, odor, odour, 味道, 气味, 香味, 香气
    taste: flavor, flavour, 口感, 口味
    texture: consistency, 质地
    color: colour, colors, colours, 颜色, 色泽, 显色度
    fit: 版型
    size: sizing, 大小, 尺寸, 尺码
    sound: sound quality, audio, audio quality, bass, 音质, 音效
    noise: noise level, 噪音
    battery: battery life, batteries, 电池, 续航
    screen: display, picture quality, image quality, 屏幕, 画质
    keyboard: keys, 键盘
    packaging: package, 包装
    pump: pump head, 泵头
    delivery: shipping, 物流, 快递, 发货, 送货
    service: customer service, customer support, tech support, 服务, 客服, 售后, 服务态度
    comfort: 舒适度
    design: looks, styling, appearance, 外观, 设计, 颜值
    durability: 耐用性
    performance: 性能
    speed: 速度
    ease of use: usability
    effect: effects, results, 效果
    material: materials, fabric, leather, 材质, 面料
    suction: suction power, 吸力
    coverage: 遮瑕力, 遮盖力
    moisture: moisturizing, 保湿效果, 补水效果, 滋润度
    lather: 泡沫
""")

PRAISE = _words("""
    good, great, excellent, amazing, awesome, fantastic, perfect, lovely, beautiful, nice, wonderful, superb, superior
    outstanding, terrific, fabulous, incredible, gorgeous, solid, sturdy, pleasant, crisp, impressive, reliable
    phenomenal, top notch, top-notch, stunning, exceptional, delicious, unbeatable
    不错, 很好, 满意, 优秀, 完美, 漂亮, 给力, 一流, 杠杠的, 没得说, 没话说, 细腻, 很棒, 超棒, 超好, 挺好, 蛮好
    特别好, 非常好, 非常棒, 真好, 好, 棒, 快, 好闻, 很赞, 超赞, 明显, 丰富, 绵密
""")
CRITICISM = _words("""
    bad, poor, terrible, awful, horrible, disappointing, lousy, mediocre, unpleasant, faulty, useless, atrocious
    pathetic, horrendous, disgusting, subpar, sub-par, inferior, dreadful, abysmal, flimsy, shoddy
    差, 很差, 太差, 糟糕, 失望, 难闻, 刺鼻, 粗糙, 慢, 很慢, 太慢, 恶劣, 极差, 简陋, 不咋地, 不咋的, 不敢恭维, 低劣
""")
# What is said without naming the aspect.
IMPLIED_PRAISE: Mapping[str, str] = MappingProxyType(
    {
        "comfortable": "comfort",
        "comfy": "comfort",
        "durable": "durability",
        "well made": "quality",
        "well-made": "quality",
        "affordable": "price",
        "easy to use": "ease of use",
        "simple to use": "ease of use",
        "easy to operate": "ease of use",
        "smells great": "scent",
        "smells good": "scent",
        "smells amazing": "scent",
        "smells wonderful": "scent",
        "smells nice": "scent",
        "tastes great": "taste",
        "tastes good": "taste",
        "sounds great": "sound",
        "looks great": "design",
        "便宜": "price",
        "实惠": "price",
        "划算": "price",
        "物美价廉": "price",
        "性价比高": "price",
        "性价比很高": "price",
        "性价比超高": "price",
        "不贵": "price",
        "好闻": "scent",
        "好看": "design",
        "耐用": "durability",
    }
)
IMPLIED_CRITICISM: Mapping[str, str] = MappingProxyType(
    {
        "uncomfortable": "comfort",
        "overpriced": "price",
        "over priced": "price",
        "poorly made": "quality",
        "cheaply made": "quality",
        "hard to use": "ease of use",
        "difficult to use": "ease of use",
        "smells terrible": "scent",
        "smells awful": "scent",
        "smells bad": "scent",
        "tastes terrible": "taste",
        "tastes awful": "taste",
        "太贵": "price",
        "有点贵": "price",
        "难闻": "scent",
        "刺鼻": "scent",
        "难看": "design",
        "不耐用": "durability",
    }
)

PRODUCT = _words("""
    it, this, that, they, them, these, those, one, item, items, product, products, thing, things, stuff, purchase, buy
    order, overall, 产品, 商品, 东西, 宝贝, 这个, 这款, 它, 货, 整体, 总体
""")
"""What names the product itself and no aspect of it."""

LINKS = _words("is, was, are, were, 's, feels, felt, looks, looked, seems, sounds, smells, tastes, remains, 是")
BETWEEN = _words("""
    very, so, really, pretty, quite, extremely, just, also, super, absolutely, always, still, truly, simply, equally
    surprisingly, incredibly, rather, fairly, all, both
    很, 非常, 挺, 也, 都, 真, 真的, 有点, 太, 特别, 比较, 还, 蛮, 超, 超级, 十分, 确实, 相当, 感觉, 更, 最
    有些, 实在, 真心
""")
NEGATIONS = _words("""
    not, n't, never, no, without, nothing, hardly, barely, neither, nor, cannot, lack, lacks, lacking, isnt, wasnt, dont
    不, 不是, 没, 没有, 不太, 不够, 并不, 并没有, 不怎么, 不算, 毫无
""")
# A sentence with one of these wishes, doubts, compares or speaks of another product.
HEDGES = _words("""
    if, would, should, could, hope, hoped, hoping, wish, wished, expected, expecting, supposed, unless, until, instead
    though i, other, others, another, previous, than, used to, thought, maybe, might, claims, claimed, says, said
    不如, 能再, 希望, 如果, 要是, 期待, 以为, 不知道, 听说, 据说, 应该, 建议, 但愿, 别的, 其他, 比起, 吗
""")
END_OF_CLAUSE = frozenset("，。！？；、,.!?;~～…）)】 \n的了呢啊哦呀哈吧滴哒")
"""A Chinese opinion of one character counts only before one of these: 好 is also part of 好像 and 最好."""
