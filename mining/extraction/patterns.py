"""The words by which rules know a relation: cues, what ends a tail, and what kind of thing a tail names.

Word lists are lower case. They were written from the definitions of the relations and from reading shop texts; they
are English, the Chinese ones are in ``mining.extraction.chinese``.
"""

from typing import Any


def _list(text: str) -> list[str]:
    return text.split()


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


PRAISE_WORDS = _list("""
    ideal ideally perfect perfectly great good excellent wonderful fantastic best useful essential convenient handy
    appropriate must-have must-haves terrific fun awesome superb versatile indispensable ultimate exceptional
    outstanding popular go-to
""")
# Nouns that say of a product that it serves: "a solution for", "the pen of choice for".
SERVING_NOUNS = frozenset(_list("solution choice tool tools companion companions must must-have option"))
MAKING_WORDS = _list("""
    suitable suited well-suited recommended designed intended meant made built engineered optimized optimised crafted
    created formulated tailored sized cut developed
""")
# Verbs of which a product is the subject, or its buyer the one told, and which act on another thing.
ACT_VERBS = _list("""
    removes clean cleans repair repairs mend mends soften softens protect protects dissolve dissolves organize organizes
    sharpen sharpens polish polishes seal bind binds laminate laminates shred shreds cut trim punch punches staple store
    stores display record records erase erases extract extracts secures mount hang bond bonds join fasten
    fastens send tame tames calm calms sort sorts file mail ship wrap decorate decorates label build builds illuminate
""")
# Forms that are hardly ever a noun, so that they act wherever they stand after a subject.
ACTING_VERBS = _list("""
    removes eliminates kills erases shreds organizes sharpens dissolves protects penetrates detects disinfects
    sanitizes lubricates loosens neutralizes deodorizes insulates whitens unclogs cleans repels deters fastens
    laminates mends extracts grinds bonds seals repairs polishes binds
""")
PURPOSE_WORDS = [*PRAISE_WORDS, *MAKING_WORDS]
_FILLERS = _list("""
    choice choices option tool tools accessory gift gifts addition solution size specifically especially also even
    companion equally both pick way item exclusively just alike partner set one
""")
_WELL = _list("well great best perfectly only seamlessly beautifully fine easily directly")

# Rule → spaCy token patterns. Where two cues overlap, the longer one speaks.
CUES: dict[str, list[list[dict[str, Any]]]] = {
    "compatible-with": [
        [{"LOWER": {"IN": ["compatible", "compatibility"]}}, {"LOWER": {"IN": ["with", "to", "for"]}}],
        [{"LOWER": "compatible"}, {"LOWER": {"IN": ["models", "printers", "devices", "machines"]}}, {"ORTH": ":"}],
        [{"LOWER": {"IN": ["interchangeable", "tested"]}}, {"LOWER": "with"}],
    ],
    "works-with": [
        [{"LOWER": {"IN": ["work", "works"]}}, {"LOWER": {"IN": _WELL}, "OP": "?"},
         {"LOWER": {"IN": ["with", "in", "on"]}}],
        [{"LOWER": {"IN": ["use", "used"]}}, {"LOWER": {"IN": ["it", "them", "only", "together"]}, "OP": "?"},
         {"LOWER": "with"}],
        [{"LOWER": "for"}, {"LOWER": "use"}, {"LOWER": "with"}],
        [{"LOWER": {"IN": PURPOSE_WORDS}}, {"LOWER": "for"}, {"LOWER": "use"}, {"LOWER": "with"}],
        [{"LOWER": {"IN": _list("connect connects screw screws clip clips slide slides snap snaps attach attaches")}},
         {"LOWER": "it", "OP": "?"}, {"LOWER": {"IN": ["onto", "into", "on", "to"]}}],
    ],
    "fits": [
        [{"LOWER": {"IN": ["fit", "fits"]}},
         {"LOWER": {"IN": ["in", "into", "onto", "over", "inside", "only"]}, "OP": "?"}],
    ],
    "takes": [
        [{"LOWER": {"IN": ["take", "takes", "accepts", "uses", "requires"]}}],
        [{"LOWER": {"IN": ["run", "runs", "operates"]}}, {"LOWER": "on"}],
        [{"LOWER": "powered"}, {"LOWER": "by"}],
        [{"LOWER": "refillable"}, {"LOWER": "with"}],
    ],
    "ideal-for": [
        [{"LOWER": {"IN": PRAISE_WORDS}}, {"LOWER": {"IN": _FILLERS}, "OP": "*"}, {"LOWER": "for"}],
        [{"LOWER": {"IN": ["gift", "gifts"]}}, {"LOWER": {"IN": ["to", "for"]}}],
    ],
    "made-for": [
        [{"LOWER": {"IN": MAKING_WORDS}}, {"LOWER": {"IN": _FILLERS}, "OP": "*"}, {"LOWER": "for"}],
        [{"LOWER": {"IN": ["useful", "used", "use", "usable"]}}, {"LOWER": {"IN": ["it", "them"]}, "OP": "?"},
         {"LOWER": "for"}],
    ],
    "for-use": [
        [{"LOWER": "for"}, {"LOWER": "use"}, {"LOWER": {"IN": ["in", "on", "at", "around", "by", "as"]}}],
        [{"LOWER": {"IN": PURPOSE_WORDS}}, {"LOWER": {"IN": ["for", "to"]}}, {"LOWER": "use"},
         {"LOWER": {"IN": ["in", "on", "at", "around", "by"]}}],
        [{"LOWER": {"IN": ["used", "use"]}}, {"LOWER": {"IN": ["in", "at"]}}],
        [{"LOWER": "used"}, {"LOWER": {"IN": ["widely", "commonly", "mainly", "primarily"]}}, {"LOWER": "in"}],
        [{"LOWER": {"IN": ["suitable", "ideal", "perfect"]}}, {"LOWER": "in"}],
    ],
    "use-on": [
        [{"LOWER": {"IN": ["material", "materials", "surfaces", "substrates"]}}, {"LOWER": "such"}, {"LOWER": "as"}],
        [{"LOWER": {"IN": ["use", "used"]}}, {"LOWER": {"IN": ["it", "them", "these", "this"]}, "OP": "?"},
         {"LOWER": "on"}],
        [{"LOWER": {"IN": ["for", "to"]}}, {"LOWER": {"IN": ["use", "write", "draw", "paint"]}}, {"LOWER": "on"}],
        [{"LOWER": {"IN": PURPOSE_WORDS}}, {"LOWER": "for"}, {"LOWER": "use"}, {"LOWER": "on"}],
        [{"LOWER": {"IN": _list("stick sticks adhere adheres bonds performs")}},
         {"LOWER": {"IN": _WELL}, "OP": "?"}, {"LOWER": {"IN": ["on", "onto", "to"]}}],
        [{"LOWER": {"IN": ["stay", "stays"]}}, {"LOWER": "put"}, {"LOWER": "on"}],
    ],
    "use-to": [
        [{"LOWER": {"IN": ["use", "used", "intended", "made", "designed", "engineered", "built", "meant", "suitable"]}},
         {"LOWER": {"IN": ["it", "them", "this", "these", "specifically", "specially"]}, "OP": "?"}, {"LOWER": "to"}],
        [{"LOWER": {"IN": ["lets", "let", "allows", "allow", "enables", "helps", "help"]}}, {"LOWER": "you"},
         {"LOWER": "to", "OP": "?"}],
        [{"LOWER": {"IN": ["makes", "make", "making"]}}, {"LOWER": "it"},
         {"LOWER": {"IN": ["easy", "easier", "simple", "possible", "convenient"]}}, {"LOWER": "to"}],
        [{"LOWER": {"IN": ["way", "solution", "tool", "ideal", "perfect"]}}, {"LOWER": "to"}],
    ],
    "acts": [
        [{"IS_SENT_START": True, "LOWER": {"IN": ACT_VERBS}}],
        [{"LOWER": {"IN": ACTING_VERBS}}],
    ],
    "uses": [
        [{"LOWER": {"IN": ["use", "uses", "applications"]}}, {"LOWER": {"IN": ["include", "includes"]}},
         {"ORTH": ":", "OP": "?"}],
        [{"LOWER": {"IN": ["uses", "applications", "usage"]}}, {"ORTH": ":"}],
        [{"LOWER": "application"}, {"LOWER": {"IN": ["field", "fields", "area", "areas"]}}, {"ORTH": ":"}],
        [{"LOWER": {"IN": ["uses", "applications"]}}, {"LOWER": "for"}, {"IS_ALPHA": True},
         {"IS_ALPHA": True, "OP": "?"}, {"LOWER": {"IN": ["include", "includes"]}}],
    ],
    "suits": [
        [{"LOWER": "suited"}, {"LOWER": "to"}],
        [{"LOWER": "suits"}],
        [{"LOWER": "whether"}, {"LOWER": "you"}, {"LOWER": {"IN": ["'re", "are", "’re"]}}],
    ],
    "for": [[{"LOWER": "for"}]],
}  # fmt: skip

ACCESSORY_WORDS = _set("""
    refill refills replacement replacements spare spares part parts accessory accessories
""")
# A plain "for" after one of these makes the tail a thing the product belongs to.
BELONGING_WORDS = _set("""
    case cover sleeve strap converter cartridge cap lid handle charger adapter cable mount holder nib blade blades
    filter filters bag bags battery ribbon ink toner lead leads eraser erasers insert inserts descaler pouch
""")

DETERMINERS = _set("""
    a an the your all any most many both every each other various our some their its his her several another almost
    virtually nearly popular either following
""")
# What ends a phrase: prepositions, conjunctions, relative words, auxiliaries and verbs that begin a new clause.
ENDS = _set("""
    in on at with from to while when that which who whose whom where without during by as so because including such
    like than into through after before if but is are was were be been can could will would has have had may might
    must should do does did it you they we he she this these those there for via per since until unless under over
    above below between among around against throughout within inside outside across along near upon plus yet not no
    also thanks making makes make offering offers featuring features giving gives allowing allows providing provides
    ensuring ensures keeping keeps adding adds includes bringing brings helping helps comes come measures holds
    designed alike alone too whether just simply only then thus hence i n't n’t ideal perfect great available let
    lets get gets need needs using based ranging instead together rather whenever wherever even although though
    whereas looking wanting seeking needing trying wishing significantly
""")
# Words with which a new clause begins after a comma or an "and".
CLAUSE_STARTS = ENDS | _set("""
    its each our one easily quickly simply comes features provides boasts blends combines elevates elevate enjoy
    experience discover delivers adds keep add stay pair paired crafted made built complete protects produces creates
    reduces resists stays looks fits works writes prints contains lasts meets supports saves eliminates prevents
    stores opens closes folds packed offering use uses creating leaving capturing promising turning transforming
""")
PARTICLES = _set("""
    up out off down away through together over into onto
""")

TRAILING = _set("""
    exactly perfectly snugly neatly securely nicely well easily comfortably too everywhere anywhere today use uses
    usage need needs application applications purpose purposes alike etc requirements
""")
LEADING = _set("""
    perfect great best beautiful stunning favorite favourite busy quick easy different own very more less new good
    fine numerous countless continued optimal maximum convenient efficient effortless fast simple extra added proper
    long-lasting reliable dependable comfortable smooth accurate typical next only discerning serious
""")
VAGUE = _set("""
    more others everything anything everyone anyone everybody anybody all any you me us them it one ones those
    people person individual individuals user users customer customers occasion occasions purpose purposes project
    projects task tasks use uses job jobs need needs application applications thing things stuff items item life
    lifestyle years year week weeks month months time times day days generations results result something someone
    anywhere everywhere work situations situation environment environments setting settings example instance sure
    free this that money now today ever lot lots hours hour minutes seconds sale details information reference
    instructions personal models brands everyday casual formal duty caution care effort purchase duration need
    instance questions storage yourself themselves much best while convenience ease comfort durability style
    longevity anytime
""")
# What a plain "for" names as the effect of a feature, never as a purpose.
EFFECTS = _set("""
    luxury height
    access comfort control convenience dispensing durability ease efficiency feel fit flexibility flow function grip
    handling hold identification installation legibility look loading longevity maneuverability mobility organization
    performance portability precision protection quality reading reference reliability removal results safety
    security selection setup stability storage strength support transport transportation versatility viewing
    visibility wear writing cleaning clarity carrying coverage accuracy adhesion assembly balance effect elegance
    enjoyment appeal strokes finish experience impact stance touch value capacity display retrieval cleanup refilling
    aesthetics saturation resistance
""")
# Gerunds that say how well something is done, or add charm, rather than what for.
EFFECT_GERUNDS = _set("""
    enjoying
    adding making keeping giving bringing ensuring providing elevating enhancing achieving complementing having being
    getting maximizing minimizing reducing preventing looking ordering choosing buying purchasing completing
    transforming supporting improving easing allowing lasting going remanufacturing recycling helping becoming
    showing starting pairing brightening livening sprucing elevating jazzing freshening accentuating beautifying
""")
NOT_GERUNDS = _set("""
    evening evenings string strings ring rings king spring morning wedding weddings clothing building buildings
    ceiling meeting meetings greeting greetings setting wing thing everything anything something nothing bedding
    earring earrings jewelry living sling outing outings gathering gatherings settings lightning viking pudding
    housing ping lasting long-lasting exciting amazing stunning demanding interesting opening lining aspiring
    budding growing hardworking caring loving discerning enterprising running-shoe running-shoes
""")
PLACES = _set("""
    home homes house office offices workplace workspace school schools classroom classrooms college university dorm
    dorms kitchen kitchens bathroom bathrooms bedroom bedrooms nursery garage garages garden gardens patio deck
    restaurant restaurants cafe cafes bar bars hotel hotels hospital hospitals clinic warehouse warehouses workshop
    workshops lab laboratory laboratories retail store stores shop shops library libraries church churches studio
    studios room rooms spaces space apartment apartments desk desks desktop desktops countertop countertops tabletop
    boardroom lobby lobbies hallway hallways entryway entryways backyard outdoors indoors outdoor indoor beach car
    cars vehicle vehicles truck rv boat gym poolside interiors interior centers center lockers locker cubicle
    cubicles dining mantels mantelpieces windowsills shelves bookshelf nightstand corner corners area areas city
    houses townhouses cabins condos lofts worksites jobsites jobsite worksite site campground campgrounds campfire
    forest forests climates weather conditions closets closet basement basements attic
    cities lake flats windowsill businesses business government households household street streets trail trails road
    roads wilderness park parks terrain terrains environment environments setting settings
""")
SEASONS = _set("""
    winter summer spring autumn fall winters summers
""")
PEOPLE = _set("""
    kids kid children child toddlers toddler babies baby infants infant boys boy girls girl teens teen teenagers men
    man women woman adults adult students student teachers teacher seniors elderly ladies gentlemen moms mom mothers
    dads dad fathers grandparents parents parent families family friends friend couples beginners beginner
    professionals professional enthusiasts enthusiast lovers lover fans fan hobbyists executives nurses doctors chefs
    chef musicians musician players player drummers drummer athletes athlete hikers travelers travellers commuters
    artists artist designers designer architects engineers writers writer crafters collectors readers runners gamers
    cooks cook bakers baker entertainers homeowners homeowner owner owners handymen craftsmen craftsman reader
    crafter collector gentleman performers hostess hosts guests guest loved-ones connoisseurs aficionados lefties
    left-handers righties adventurers adventurer explorers explorer urbanite urbanites scholars historians authors
    bride brides groom grads graduates coworkers colleagues employees staff workers preschoolers kindergartners
    groups souls soul individualists minimalists trendsetters trendsetter fashionistas fashionista contractors
    plumbers electricians mechanics carpenters gardeners anglers cyclists skaters skateboarders dogs dog cats cat
    pets pet puppies puppy kittens birds bird horses horse fish skin hair face faces hands legs lips eyes feet nails
    pores buyers newborns tweens ages audiences dancers swimmers campers photographers journalists vloggers
    communicator nature-lovers twins teams team
""")
NOT_PEOPLE = _set("""
    printers printer papers paper drawers drawer stickers posters letters flowers computers covers folders binders
    markers reminders orders numbers corners containers dinners sleepovers leftovers makeovers flavors favors
    endeavors harbors layovers others colors doors floors mirrors errors toners sensors monitors cleaners scanners
    copiers laminators planners organizers staplers dividers rulers erasers sharpeners highlighters dispensers
    calendars projectors chargers adapters speakers headers footers newsletters flyers banners checklists lists
    playlists wrappers fasteners trimmers shredders cutters tests layers powders makers razors labelmakers
    appetizers desserts burgers showers counters borders hangers clippers players dryers calculators tractors
    trailers motors routers fibers rubbers ladders feathers leathers weathers powers adventures summers winters
    timers freezers scissors protractors shutters boosters laser drivers outdoors indoors interiors exteriors
    scooters mowers blenders dishwashers holders controllers towers fillers partners starters water summer winter
    center dinner cover order number color letter flower computer marker corner weather leather powder finger
    fingers shoulder member members easter twist christ
""")
DEVICES = _set("""
    printer printers copier copiers laminator laminators binder binders laptop laptops phone phones smartphone
    smartphones tablet tablets camera cameras pen pens pencil pencils stapler staplers machine machines labelmaker
    labelmakers labelers maker makers projector projectors typewriter typewriters shredder shredders fax faxes cutter
    cutters trimmer trimmers punch punches planner planners scanner scanners dispenser dispensers cabinet cabinets
    drawers monitor monitors tv tvs headset headsets handset handsets batteries battery outlet outlets calculator
    calculators grinder grinders stove stoves tent tents mount mounts tripod tripods lens lenses drone drones vacuum
    vacuums robot robots mop mops razor razors guitar guitars keyboard keyboards pads capsules cartridges cartridge
    console consoles computer computers pc pcs mac macs bike bikes scooters drill drills chuck chucks dripper
    drippers organizer organizers holder holders rings mower mowers routers router register registers chargers
    charger plug plugs port ports usb system systems paper folders envelopes frames frame wallets filters cells
    staples refills refill bags
""")
CONSUMABLES = _set("""
    refill refills battery batteries cartridge cartridges staples toner toners capsules capsule bags bag film cards
    card tapes tape pads inserts cells lens lenses filters blades lead ink app port cable
""")
SURFACES = _set("""
    paper glass metal plastic wood fabric leather cardboard chipboard vinyl foam cork ceramic concrete plaster tile
    tiles walls wall drywall surface surfaces canvas cardstock whiteboards stone brick rubber windows floors floor
    carpet carpets photos documents skin hair
""")
ACTIVITIES = _set("""
    school travel crafts craft homework scrapbooking journaling drawing sketching painting coloring calligraphy
    notetaking note-taking presentations presentation meetings weddings wedding parties party birthdays christmas
    easter halloween thanksgiving holidays graduation picnics hiking camping fishing cooking baking yoga commuting
    running cycling swimming gaming studying filing mailing shipping packing labeling archiving math art gardening
    decorating entertaining invoices envelopes labels reports proposals brochures flyers photos scrapbooks lists
    reminders flashcards lettering drafting diy
""")
BRANDS = _set("""
    hp epson canon brother lexmark samsung dell xerox apple iphone ipad ipod macbook mac kindle alexa google android
    windows sony panasonic kodak dymo zebra pilot pentel parker cross lamy uni-ball sharpie paper-mate bic sanford
    avery fellowes swingline bostitch scotch 3m kensington logitech microsoft nintendo playstation xbox gopro
    fujifilm polaroid nikon okidata ricoh konica sharp casio keurig nespresso dyson roomba lenovo asus acer toshiba
    lg motorola nokia huawei xiaomi laserjet officejet deskjet photosmart envy stylus workforce expression pixma
    imageclass labelwriter labelmanager p-touch filofax day-timer franklincovey at-a-glance usb bluetooth wi-fi hdmi
    quickbooks excel photoshop energel g2 g-2 waterman montblanc sheaffer platinum kaweco noodler's moleskine vtech
    at&t garmin fitbit tesla toyota honda ford jeep yamaha makita dewalt bosch milwaukee ryobi cricut expo crayola
    pitney smead pendaflex quartet cisco polycom plantronics jabra
""")
# Said together with a negation right before it, a relation is denied.
NEGATIONS = _set("""
    not n't n’t no never without cannot incompatible non isn't doesn't don't nor neither too
""")
# A plain "for" after one of these belongs to them: "known for", "room for", "warranty for".
NOT_A_CUE_AFTER = _set("""
    known look looks looking search ready except as pay thank thanks reason reasons responsible allow allows allowing
    room space time care need account but ask call wait opt guarantee warranty website pocket pockets slot slots tab
    tabs window area famous up check stand stands calls charge charged date sold
""")
# Before a vague head these leave it vague: "other projects"; "art projects" names something.
GENERIC = _set("""
    heavy
    other different general common daily everyday similar such future next big great various lot long
""")
OCCASIONS = _set("occasion occasions")  # that name something once a word says which
# Effects that are something one does once a word says what: "document storage".
ACTS = _set("""
    storage display writing reading reference wear cleaning handling
""")
EFFECT_VERBS = _set("""
    help make keep be ensure provide add give enhance have get last withstand offer deliver meet maximize minimize
    improve reduce resist prevent stand look feel work perform complement bring elevate maintain promote remain stay
    achieve increase eliminate support conserve accommodate become suit match simplify go take enjoy fold use feature
    allow transform find save avoid know do see choose order select optimize endure show fit
""")
# Words that leave an act without an object, wherever they stand in it.
UNNAMED = _set("us it them they everything anything something things one ones you that this what which")
# Units of the size of what a product fits: "3/8 inch chuck".
SIZES = _set("inch in mm cm m ml oz gauge awg mil volt v w amp ft gallon lb g")
# What a product gives to the things named after "for": "storage for toys".
GIVEN = _set("storage organization protection")
# Of "used in": what is no field of use.
NOT_FIELDS = _set("""
    format formats place conjunction combination mode modes order way ways manner past process production making
    systems contrary industries industry fields field positions position case cases part addition parallel series
    moderation
""")
# Words that look like adjectives and name things.
NOT_ADJECTIVES = _set("""
    automotive metal metals animal animals journal journals manual manuals rental festival hospital terminal crystal
    mineral meal deal seal steal coal goal plastic fabric ceramic music garlic clinic traffic topic magic picnic
    mosaic adhesive proposal carnival signal capital approval removal disposal survival arrival retrieval ritual
    arsenal olive native interval classic drive dive library diary dictionary anniversary acrylic graphic portal
    cereal charcoal trial denim personal medal
""")
# Attributes of things, and places only where they stand alone: "outdoor or barn weddings".
ATTRIBUTIVE = _set("indoor outdoor casual formal everyday")
# "A wide range of taping tasks" names taping tasks.
AMOUNTS = _set("""
    range variety fields field kinds types sorts lot lots array number multitude hours years host kind type model models
""")
# What one uses a thing on rather than in.
FURNITURE = _set("""
    countertop countertops tabletop tabletops desk desks desktop desktops shelves shelf windowsill area areas nightstand
    bookshelf mantels car cars vehicle vehicles
""")
# People by what they love or do: "hiking enthusiasts" are no hiking.
DEVOTEES = _set("""
    enthusiast enthusiasts lover lovers fan fans beginner beginners professional professionals hobbyist hobbyists buff
    buffs aficionado aficionados pros devotees
""")
# People that name nobody without a word before them.
ANYBODY = _set("individual individuals people person persons user users customer customers")
# Places that name nothing without a word before them.
BARE_PLACES = _set("""
    surface surfaces substrates
    space spaces room rooms area areas corner corners center centers store stores business
""")
MOOD = _set("""
    atmosphere ambiance ambience look touch mood vibe vibes aesthetic feel statement charm
""")
# What follows a verb that is none here: "labels are white", "cuts easily", "clean lines".
NOT_OBJECTS = _set("""
    clean
    strong flush tight away
    easily quickly neatly smoothly cleanly perfectly securely and or that which edge edges line lines look design
    include included come comes feature features measure stick peel work works allow allows provide provides
""")
# Words that are nouns and adjectives as often as verbs: they act where an article or a plural follows.
MAYBE_VERBS = _set(
    "label file mail display hang clean secure mount record seal bond cut trim store punch staple wrap ship"
)
