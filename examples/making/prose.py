"""What the report says: its text, and the numbers of its tables and charts."""

from __future__ import annotations

STATION = "Velmora Lake Station"
TITLE = "Annual Report 2024"
IMPRINT = (
    "Station Report No. 57",
    "Edited by Tobias Renn. Published on 14 March 2025.",
    "Velmora Lake Station, 1 Quay Road, Tarrow",
)
ABSTRACT = (
    "Velmora Lake Station has measured the same lake since 1967. In 2024 its staff took 312 "
    "depth profiles at four sampling sites, more than in any earlier year. The lake was free "
    "of ice for 276 days, the longest season on record. Surface water was warm, with a mean of "
    "17.9 °C over July and August, yet it was clearer than the year before at three of the four "
    "sites, and total phosphorus fell to a mean of 11.2 µg/L. A storm in October cost the "
    "station its buoy for six days and turned a planned surplus into a deficit. This report "
    "describes the season, gives the measurements and the accounts, and ends with the letter "
    "that promises a new mooring."
)
CONTENTS = (
    ("1", "The lake and the station", 2),
    ("2", "The season of 2024", 2),
    ("3", "Water clarity", 3),
    ("4", "Water chemistry", 4),
    ("5", "Accounts", 4),
    ("6", "Water temperature", 5),
    ("", "Annex: letter of the Corwen and Hale Foundation", 6),
)

STORY = (
    ("1", "The lake and the station"),
    "Lake Velmora lies at 486 metres above the sea in the Tarrow valley. It covers 41.6 square "
    "kilometres and is 118 metres deep at its deepest point, which the fishermen have always "
    "called the Deep Hole. Three rivers feed it; one, the Mill River, leaves it. The lake turns "
    "over twice a year, in May and in late November, and freezes in most winters.",
    "The station was founded in 1967 by the hydrologist Edith Marrow, who rented a boathouse "
    "at Tarrow and lowered a brass thermometer on a marked rope once a week. The rope is still "
    "in the entrance hall. The present building opened in 1994 and holds a wet laboratory, a "
    "workshop, a library of 6,200 volumes and beds for fourteen guests. The research vessel "
    "Sandpiper, twelve metres long and driven by electric motors since 2021, was launched in "
    "2009.",
    "Four sites are sampled every second week as long as there is no ice: Deep Hole, North "
    "Bay, Heron Inlet and Mill Outflow. They have not been moved since 1974, which makes the "
    "record one of the longest of its kind.",
    "The data are open. Whoever asks for them gets them, with a note on how each value was "
    "measured and by whom; 41 requests were met in 2024, from nine countries. The oldest "
    "notebooks, which had been kept in a tin trunk, were copied in the winter, and the "
    "readings from 1967 to 1973 can now be used with the rest.",
    ("2", "The season of 2024"),
    "The ice broke on 28 March, the first profile was taken on 2 April, and the lake froze "
    "again on 29 December. The buoy Halcyon "
    "was moored over the Deep Hole on 6 May, three weeks earlier than usual, and from then on "
    "reported wind, light and water temperature every ten minutes. A new probe for dissolved "
    "oxygen, lent by Port Ansel University, worked without a fault until the autumn.",
    "On 19 October a storm with gusts of 131 kilometres an hour broke the mooring. The buoy "
    "drifted for six days and was found aground on Kestrel Point by the boatman, Joren Vask, "
    "who towed it home behind Sandpiper. Its mast and two of its sensors were lost; its "
    "memory was dry, and no reading taken before the storm was lost.",
    "Twenty-three students worked at the station, nine of them for a doctorate. Lena Achterberg "
    "finished her thesis on the spring bloom of diatoms, and Samuel Okoro began one on "
    "the oxygen of the deep water. The field course in June had to turn away eighteen of "
    "fifty applicants, and a second course is planned for September 2025.",
    "The weather was kind to the field work in spring and unkind in summer. Rain fell on 22 days "
    "of July, the rivers ran brown, and two sampling trips to North Bay had to be put off by a "
    "day. None was given up, and the year ended with 312 profiles instead of the 296 that "
    "had been planned.",
    "The visitor centre counted 4,870 guests, of whom about a third came with a school. The "
    "laboratory window, where visitors can watch samples being filtered, was opened on 1 June "
    "and is the part most often mentioned in the guest book.",
    "Dr. Amara Lindqvist completed her fifth year as director. Henrik Solberg retired on "
    "30 September after thirty-one years among the instruments; Priya Raman follows him as "
    "head of the workshop.",
)

CLARITY = (
    "Clarity is measured with a Secchi disc, a white plate thirty centimetres wide that is "
    "lowered until it can no longer be seen. The depth at which it disappears is read by two "
    "observers on the shaded side of the boat, and the mean of both is kept. Every site was "
    "visited at least nine times between the beginning of June and the end of September.",
    "Figure 1 compares the summer of 2024 with the one before. The water was clearer at three "
    "sites. Only at Mill Outflow did the disc vanish sooner, which we put down to the work on "
    "the weir between 8 July and 23 August, when the river carried silt for weeks.",
    "The gain at Heron Inlet is the largest since the reed beds there were replanted in 2016. "
    "It agrees with the lower phosphorus reported in the next section, and with the smaller "
    "number of days on which floating algae were noted from the shore: 12 instead of 29.",
    "The readings agree well between observers. In 94 of 100 cases they differed by less than "
    "thirty centimetres, and the largest difference, at North Bay on a bright day with waves, "
    "was eighty centimetres.",
)
FIGURE_1 = "<b>Figure 1:</b> Mean Secchi depth at the four sampling sites, June to September."
SITES = ("Deep Hole", "North Bay", "Heron Inlet", "Mill Outflow")
SECCHI = {"2023": (7.4, 5.9, 3.8, 4.6), "2024": (8.1, 6.2, 4.7, 4.3)}

CHEMISTRY = (
    "Samples were taken with a two-litre bottle, mixed over the depth given, and analysed "
    "within a day. Table 1 gives the means of the summer. Phosphorus was highest at Heron "
    "Inlet, as in every year, since the inlet drains most of the farmland."
)
TABLE_1 = "<b>Table 1:</b> Water chemistry, mean of June to September 2024."
WATER = (
    ("Site", "Depth<br/>(m)", "Total phosphorus<br/>(µg/L)", "Nitrate<br/>(mg/L)", "pH",
     "Dissolved oxygen<br/>(mg/L)"),
    ("Deep Hole", "0 to 20", "8.6", "0.21", "7.8", "10.4"),
    ("North Bay", "0 to 12", "10.3", "0.24", "7.9", "9.9"),
    ("Heron Inlet", "0 to 6", "15.7", "0.42", "8.2", "8.8"),
    ("Mill Outflow", "0 to 5", "10.2", "0.31", "7.7", "9.3"),
)  # fmt: skip

ACCOUNTS = (
    "The year closed with a deficit, which was met from the reserve. Income rose, but the "
    "recovery and repair of the buoy had not been planned. The accounts in Table 2 were "
    "audited by Fenwick and Daughters on 17 February 2025."
)
TABLE_2 = "<b>Table 2:</b> Income and expenditure of the station."
INCOME = (
    ("Core grant of the National Water Council", 742_000, 725_000),
    ("Project grants", 318_450, 287_900),
    ("Visitor centre and courses", 64_380, 58_720),
    ("Hire of boats and laboratory", 41_200, 46_850),
)
EXPENDITURE = (
    ("Salaries", 688_300, 661_400),
    ("Field work and vessel", 214_760, 189_250),
    ("Laboratory", 143_900, 138_600),
    ("Buildings and energy", 97_640, 104_310),
    ("Recovery and repair of the buoy", 58_130, 0),
)
RESERVE = (412_300, 387_390)
"""At the start of 2024 and of 2023."""

TEMPERATURE = (
    "The temperature at Deep Hole is read from the boat in April and from May on by the buoy, "
    "at twelve depths. Figure 2 shows the monthly means at two of them: at 1 m, which follows "
    "the weather,{mark} and at 40 m, which hardly does. The surface was warmest on 24 July, at "
    "21.3 °C; the water at 40 m never reached six degrees.",
    "Layers formed on 19 May and lasted until 22 November, 187 days in all. That is sixteen "
    "days more than the mean of the last twenty years. A long summer of layers keeps oxygen "
    "from the deep water, and the lowest value of the year, 5.1 mg/L, was measured at 110 m on "
    "18 November, four days before the lake turned over.",
    "The gap that the storm left in the buoy's record, from 19 October to 3 November, was "
    "filled with readings from the boat, taken every second day. Since then the buoy has hung on "
    "a spare rope.",
)
FIGURE_2 = "<b>Figure 2:</b> Water temperature at Deep Hole in 2024, monthly means."
MONTHS = ("Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov")
DEGREES = {
    "1 m": (4.1, 8.3, 14.6, 18.2, 17.6, 14.1, 9.8, 6.0),
    "40 m": (3.9, 4.3, 4.6, 4.8, 5.0, 5.2, 5.6, 5.7),
}
FOOTNOTE = (
    "{mark} The sensor at 1 m was replaced on 11 July after it had drifted by 0.4 °C; "
    "its readings from 3 to 10 July were corrected."
)
OUTLOOK = (
    "Two things are planned for 2025. A chain of loggers will be laid along the bed of North "
    "Bay, so that the inflow of cold river water can be followed without a boat. And the buoy "
    "will return to the Deep Hole on a heavier mooring, paid for by the Corwen and Hale "
    "Foundation, whose letter is reproduced on the next page."
)
