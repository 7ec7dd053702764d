"""The words that rules look up: colours, materials and audiences in English and Chinese, with their normal names.

Written for this project, from what shop texts say. A surface maps to the name under which its kind is one value:
``grey``, ``gray`` and ``灰色`` are the colour ``gray``. Surfaces are lower case.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType


def _table(rows: str) -> Mapping[str, str]:
    """``name: surface, surface`` a line; the name is a surface too, a line without surfaces names itself."""
    table: dict[str, str] = {}
    for row in rows.strip().splitlines():
        name, _, rest = row.strip().partition(":")
        surfaces = [name, *(surface.strip() for surface in rest.split(","))]
        table.update({surface: name for surface in surfaces if surface})
    return MappingProxyType(table)


COLORS = _table("""
black: 黑色, 纯黑, 亮黑
white: 白色, 纯白, 乳白, 乳白色
gray: grey, 灰色, 深灰, 浅灰, 深灰色, 浅灰色
charcoal
silver: 银色, 银白, 银灰, 银灰色
gold: golden, 金色
rose gold: 玫瑰金
red: 红色, 大红, 大红色, 酒红, 酒红色
burgundy
maroon
pink: 粉色, 粉红, 粉红色
hot pink
blush pink
fuchsia
magenta
coral
orange: 橙色, 橘色
yellow: 黄色
green: 绿色, 深绿色, 浅绿色
olive: olive green
mint: mint green, 薄荷绿
emerald: emerald green
lime: lime green
blue: 蓝色
navy: navy blue, 藏青, 藏青色, 深蓝, 深蓝色
light blue: 浅蓝, 浅蓝色
sky blue: 天蓝, 天蓝色
royal blue: 宝蓝, 宝蓝色
teal
turquoise
aqua
cyan: 青色
purple: 紫色
lavender
violet
lilac
brown: 棕色, 褐色, 咖啡色
tan
khaki: 卡其色, 卡其
beige: 米色, 杏色
ivory
cream
off-white: off white, 米白, 米白色
bronze: 古铜色
copper
transparent: 透明
multicolor: multicolour, multicolored, multi-color, multi-colored, assorted colors, assorted, 彩色
""")

# Names of colours that in running prose are mostly something else: only trusted in a title or beside "color".
UNSURE_COLORS = frozenset(
    {"gold", "golden", "silver", "bronze", "copper", "cream", "mint", "olive", "lime", "coral", "ivory", "tan",
     "emerald", "violet", "lavender", "lilac", "orange", "charcoal", "aqua", "assorted", "transparent", "rose gold"}
)  # fmt: skip

MATERIALS = _table("""
stainless steel: 不锈钢, 304不锈钢, 316不锈钢
carbon steel: 碳钢
steel: 钢
iron: 铁
cast iron: 铸铁
aluminum: aluminium, 铝
aluminum alloy: 铝合金
brass: 黄铜
metal: 金属
plastic: 塑料
abs plastic: abs
polypropylene
polyethylene
polycarbonate
pvc: vinyl
acrylic: 亚克力
silicone: 硅胶
rubber: 橡胶
wood: wooden, 实木, 木质
bamboo: 竹, 竹子
oak
walnut wood
hardwood
plywood
cardboard: 纸板
corrugated cardboard
chipboard
glass: 玻璃
borosilicate glass: 高硼硅玻璃
tempered glass: 钢化玻璃
ceramic: 陶瓷
porcelain
leather: 真皮, 皮革, 牛皮
genuine leather
faux leather: pu leather, vegan leather, leatherette, pu皮
suede
cotton: 纯棉, 棉
organic cotton: 有机棉
linen: 亚麻
wool: 羊毛
merino wool
cashmere: 羊绒
silk: 真丝, 桑蚕丝
polyester: 聚酯纤维, 涤纶
nylon: 尼龙
spandex: 氨纶
denim: 牛仔布
canvas: 帆布
fleece
microfiber: microfibre, 超细纤维
memory foam: 记忆棉
foam: eva foam
latex: 乳胶
down: 羽绒
titanium: 钛
sterling silver: 925银, 纯银
granite
marble
""")

AUDIENCES = _table("""
kids: kid, children, child, 儿童, 孩子, 小朋友
toddlers: toddler, 幼儿
babies: baby, infants, infant, newborns, 婴儿, 宝宝, 新生儿
boys: boy, 男孩
girls: girl, 女孩
teens: teen, teenagers, 青少年
adults: adult, 成人, 成年人
seniors: elderly, 老人, 老年人
men: man, 男士, 男性, 男生
women: woman, ladies, 女士, 女性, 女生
students: student, 学生
teachers: teacher, 教师, 老师
professionals: professional
beginners: beginner, 初学者, 新手
artists: artist
runners: runner, 跑者
gamers: gamer, 玩家
travelers: traveler, travellers, 旅行者
athletes: athlete
pregnant women: 孕妇
mothers: moms, mom, 妈妈
fathers: dads, dad, 爸爸
families: family, 家庭
couples: 情侣
dogs: dog, 狗, 狗狗
cats: cat, 猫, 猫咪
pets: pet, 宠物
home: the home, 家居, 家用
office: 办公室
home office
school: schools, 学校
classroom: classrooms, 教室
dorm: dorm room, dorm rooms, 宿舍
kitchen: kitchens, 厨房
bathroom: bathrooms, 浴室
bedroom: bedrooms, 卧室
living room: living rooms, 客厅
garden: gardens, 花园
outdoors: outdoor, 户外
indoors: indoor, 室内
car: 车载
hotel: hotels, 酒店
restaurant: restaurants, 餐厅
winter: 冬季, 冬天
summer: 夏季, 夏天
spring: 春季
autumn: fall, 秋季
dry skin: 干性皮肤, 干皮
oily skin: 油性皮肤, 油皮
sensitive skin: 敏感肌, 敏感皮肤, 敏感肌肤
combination skin: 混合性皮肤
all skin types: 所有肤质
""")


def names(table: Mapping[str, str], *, chinese: bool) -> Iterable[str]:
    """The surfaces of a table that are written in Chinese characters, or those that are not."""
    return (surface for surface in table if any("\u4e00" <= char <= "\u9fff" for char in surface) == chinese)
