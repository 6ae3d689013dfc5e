"""Everyday words, each one token in common tokenizers, from which planted functions take their names and constants.

The two lists are disjoint, so that the name of a function or parameter can never be mistaken for one of its constants.
No name is a keyword, a builtin, a method of a builtin type or a standard module, so that renaming touches nothing else.
"""

_NAMES = """
    actor almond alpha amber ankle arrow autumn axe badge bag baker banner barley barn barrel basin basket bat bath
    battery bay beach bee beer beetle bell belt berry beta bike birch bitter bolt book boot bottle bowl brain brake
    brave bread breeze bronze bubble bucket bus butcher butter cabin cable cake calm canal candle canoe canvas
    canyon captain card cave cedar ceiling chair chapel cheek cheese chef cherry chess chest church city clay clean
    cliff clock clover coal cobalt coffee cold comedy comet cone copper coral corn corner cotton cow crab cream
    creek crow crown crystal cup dance dancer dark dart dawn deer desert desk diamond dice dock dog doll door dove
    dragon drama dream dress drill drum duck duke dusk dwarf eagle earth elbow elk elm faith farm farmer fate fence
    fern ferry field fig finger fire fish flag flame flute fly foam fog fork fox frog front fuse galaxy gamma garden
    gear ghost giant glass glove goat goose granite grape grass gravel gray green guard guitar gulf hail hair hammer
    hand happy hawk hen high home honey hope horn hotel hunter ink inn island ivory ivy jacket jade jar jet jewel
    joy judge juice jungle kettle kitchen kite knee knife knight ladder lady lamp laser lawyer leather leg lemon
    light lily line linen lizard lord lotus low luck lunar magnet mall mango maple marble mast meadow medal milk
    mill miner mirror mist moose moss moth motor mountain mouth nail narrow needle net new noon nose novel nurse oak
    oat office olive orange orbit orchid oven paint painter palace paper parcel park parrot peace peach pear pearl
    pedal pencil pepper piano pie pier pig pilot pine pink plum pocket poem poet polar pond porch port pot prince
    prize purse puzzle quartz queen quiet rabbit race radar radio rain rake ranch red riddle ridge road robot rock
    rocket roof rope rose sail sailor salad salt sand saw screw seal secret shark sheep shelf shield ship shirt shoe
    shore short shovel shrimp sigma silk silver singer skirt slate slope smoke smooth snail sock soft soldier sonar
    sour spark spear spider spirit spoon stair stamp state steel step stew store storm story stove sugar summit
    sweet sword table tea temple tent thin thread thumb thunder ticket tide tiger toad tongue tooth tower toy trail
    train triangle trophy truck tunnel valley van velvet village violin wagon wall wallet warm wasp watch wet whale
    wheat white willow winter wish witch wolf wool wrench wrist writer yellow zinc
"""

NAMES: tuple[str, ...] = tuple(_NAMES.split())
"""Function and parameter names."""

_WORDS = """
    anchor angel angle ant apple arctic arm artist ash back ball bank bar bean bear bed black blue boat bone border
    bow box bridge bright brown brush button camera camp cap car cart castle cat chin circle cloud coast coat coin
    college cook cool cube current curve deck deep delta doctor driver dry dust ear east echo edge engine eye
    factory floor foot forest fresh game gate goal gold hall hard hat head heart heavy hill hook horse hot house
    iron king lake lane lime lion long love magic market mine moon mouse mud music nation neck night north nut ocean
    old omega owl packet page pan panel path pea peak pen phone pixel plane planet plate purple quick rail rat rice
    ring river room rough school screen sea sharp shop skin sky slow snake snow solar song soup south sphere spring
    square star stone stream street student summer sun switch teacher thick tin toe town track trust water well west
    wheel wide wind window wine wire worm yard young
"""

WORDS: tuple[str, ...] = tuple(_WORDS.split())
"""Text constants and text inputs."""

SYLLABLES: tuple[str, ...] = tuple(consonant + vowel for consonant in "bcdfghjklmnprstvwz" for vowel in "aeiou")
"""What made-up names are made of, two each."""
