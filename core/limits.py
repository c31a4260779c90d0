"""Every bound of the program and its arithmetic, in one place. At each: what happens, what counts it, one test past it.

A bound that an operator may move is a field of core/config.py whose default stands here.
"""

from typing import Final

# --- log --------------------------------------------------------------------------------------------------------------

LOG_LINES_PER_MINUTE_MAX: Final = 60
"""Lines of one occurrence in the operator's log a minute: one a second is what a person can read, 200 bytes each are
17 MB a day at the worst. Those past it are counted, and how many there were is said once the minute is over."""

# --- alive ------------------------------------------------------------------------------------------------------------

ALIVE_S_MAX: Final = 30.0
"""How long the main loop or the intake may not turn. A sync on a disk that is badly busy has taken seconds, a full
garbage collection one. Past it /health/live answers 503, and systemd's watchdog is not fed: it starts the node anew."""

READY_KNOWN_S: Final = 1.0
READY_S_MAX: Final = 3.0
"""An answer of /health is at most a second old: looking writes to the database, which must not be done as often as
strangers ask. A store that has not answered after three seconds is a fault by itself, and the look goes on."""

# --- wire -------------------------------------------------------------------------------------------------------------

RECEIVE_BYTES: Final = 16 * 1024
"""One recv per connection per round. A terminal's backlog of 200 reports of 80 bytes fits; a flood waits its turn."""

PARTIAL_BYTES_MAX: Final = 4096
"""Unfinished frame kept per connection. Largest legal escaped frame: 2 * (21 + 1023 + 1) + 2 = 2,092; be lenient to
4,096. A protocol's split drops a longer one as REASON_ENDLESS garbage, counted; of one that does not, the link is
closed as garbage."""

BAD_FRAMES_MAX: Final = 64
"""Bad frames (or runs of junk) in a row before a connection is closed as garbage. A terminal with a broken serial line
gets one wrong in a few, never 64 running; 64 * 4,096 bytes bound what a stranger can make us look at."""

LINKS_MAX: Final = 19_000
"""Connections of one process. The hard limit of open files is 20,000 where we measured; 1,000 are left for segments,
databases and listeners. One more is accepted and closed at once, counted."""

ACCEPT_PER_ROUND: Final = 64
"""Connections accepted per round: a reconnect storm of 19,000 is in within 300 rounds, and reports go on between."""
KNOCKS_PER_ROUND: Final = 512
"""Connections taken from the listener per round, those turned away included, 5 us each: 50,000 a second at a window of
10 ms, so that cars do not wait behind a flood in the kernel's queue of 4,096."""

TERMINALS_PER_LINK_MAX: Final = 10_000
"""Phones admitted on one connection (a forwarding platform). One more is refused, counted."""

SEND_POOL_CHUNK_BYTES: Final = 16 * 1024
SEND_POOL_CHUNKS: Final = 1024
"""Bytes a socket would not take wait in pooled chunks: 1,024 links may be slow at once with 16 KB each (16 MB).
Pool empty or chunk full: that link is closed as slow, counted."""

COMMAND_QUEUE_BYTES: Final = 4 * 1024 * 1024
"""Downlinks on their way to the intake thread: 4 MB hold 40,000 answers of 100 bytes, more than 19,000 logins."""

FRAMES_BEFORE_LOGIN_MAX: Final = 16
"""Frames journalled for a link on which nothing is admitted. Register, authenticate and a retry of each are 4; two
terminals behind one modem 8. Beyond: refused, counted, the link closed as garbage. A trusted address, which may forward
for TERMINALS_PER_LINK_MAX, has room for a registration and a login of each."""

# --- strangers, floods, and who is trusted ----------------------------------------------------------------------------

LOGIN_S_MAX: Final = 60.0
"""How long nobody may be logged in on a connection: from its beginning, from the last one's logout, or from the last
0x0100 or 0x0102 on it, for the one who is slow may be we. A login over a bad radio link takes 10 s. Past it the
connection is closed and counted; FRAMES_BEFORE_LOGIN_MAX logins make that 16 minutes at most."""

GIVE_WAY_S_MIN: Final = 5.0
"""With LINKS_MAX open, the connection on which nobody has logged in for longest gives way to a new one, if it has been
so for 5 s: 19,000 that only hold their place keep no car out. Younger ones, cars as well perhaps, stay; the new one is
then refused, counted."""

STRANGER_FRAMES_MAX: Final = 1_000
STRANGER_BYTES_MAX: Final = 128 * 1024
"""What is read of a connection while nobody is logged in on it. Some terminals send their login and at once all that
they kept in a tunnel: 200 reports of 80 bytes are 16 KB; eight times that. Past it the connection is closed as garbage:
a stranger has cost a millisecond."""

ADDRESSES_HEARD_MAX: Final = 1 << 16
"""Addresses whose connections are counted, 32 bytes each (in IPv6: networks of /64). Three for each of LINKS_MAX."""
ADDRESS_PROBES_MAX: Final = 32
"""Places of that table looked at for one address. All taken by others that are connected: refused, counted. Of 19,000
taken places among 65,536, 32 in a row are so once in 10^17."""

LINKS_PER_ADDRESS_MAX: Final = 2_000
"""Connections of one address. A carrier's NAT puts 1,000 to 2,000 subscribers behind one. One more is refused, counted;
a forwarding platform, and a NAT with more, are named in `trusted_addresses`."""
STRANGERS_PER_ADDRESS_MAX: Final = 1_000
"""Of these such that nobody is logged in on: cars that come back together log in within seconds. One more is
refused."""
LINKS_PER_ADDRESS_MINUTE_MAX: Final = 600
"""Connections that one address may open in a minute, besides as many at once as it may have: 2,000 cars that each come
anew every 200 s. One more is refused, counted. An attacker gets ten a second out of it, 30 forged codes, 3 ms of
CPU."""

TRUSTED_NETWORKS_MAX: Final = 64
"""Addresses and networks that are trusted; each is looked at for each connection, 0.1 us in all."""

FRAMES_PER_S_MAX: Final = 100
BYTES_PER_S_MAX: Final = 64 * 1024
RATE_AT_ONCE_S: Final = 60
"""What one terminal may send in the long run, and for how long more than that: 6,000 frames and 3.9 MB at once, which
is the backlog of 16 hours at a report in 10 s, or two films. A terminal at its densest makes 10 frames a second; a
camera that sends a picture of 300 KB a minute 5 KB. Beyond, its connection is read only as fast as that: it waits, and
loses nothing. A day at 64 KB/s is 5.7 GB of a journal of 34. What a terminal has used up stays so when it comes
anew."""
REST_MS: Final = 50
"""How often a connection that is not read because of this is looked at again: 20 times a second, 2 us each."""

TERMINALS_PER_STRANGE_LINK_MAX: Final = 16
"""Phones admitted on one connection that is not from a trusted address: a modem with eight devices, twice. One more is
refused, counted; a forwarding platform is named in `trusted_addresses`."""

LOGINS_AT_ONCE_MAX: Final = 30
LOGINS_PER_MINUTE_MAX: Final = 6
"""Logins of one car's terminals: thirty at once (towns of tunnels, our own restarts), in the long run one in 10 s. Each
is two events, a kilobyte: a terminal that logs in in a loop, or two with one code that put each other out, would fill
the log. One more is refused (0x8001 result 1) and its connection closed, counted; whoever is logged in stays so."""

# --- journal ----------------------------------------------------------------------------------------------------------

SEAL_ROWS: Final = 20_000
SEAL_S_MIN: Final = 1.0
SEAL_ROWS_MAX: Final = 100_000
SEAL_S: Final = 5.0
"""A segment, which is one insert, is sealed at 20,000 records once it is a second old, at 100,000 before that, and at
5 s anyway. 1k-row inserts cost 12 CPU s a million rows, 20k 1.1, 100k 0.5; and what is inserted in larger parts is
merged less often."""

SEGMENT_BYTES: Final = 16 * 1024 * 1024
"""Preallocated size. 100,000 records of 48 + 64 bytes are 11 MB; a segment of photographs is sealed when full."""

ROUND_ROWS_MAX: Final = 1_000
ROUND_BYTES_MAX: Final = 256 * 1024
"""A commit window ends early at 1,000 records or 256 KB: beyond that, waiting saves nothing."""

HAND_UP_ROWS: Final = 4_096
HAND_UP_MS: Final = 50
"""Readers are woken when 4,096 records are new, 50 ms have passed, or an alarm bit rose: never once per round."""

STALL_ROUND_MS: Final = 100
STALL_ROUND_BYTES: Final = 1024 * 1024
"""Pace of looking for alarm bits while the journal takes nothing: 10 MB/s, 150,000 reports of 70 bytes a second. Beyond
it connections wait their turn. Nothing is taken out of the sockets, so TCP slows the terminals down."""
STALL_ALARMS_MAX: Final = 1_024
"""Reports with an alarm bit that wait to be judged while the journal takes nothing: 4 MB. They are taken ten times a
second, so 10,000 a second pass; one more is passed over, counted, and judged once the journal takes it."""
STALL_RETRY_MS: Final = 1_000
"""A disk that refuses two segments running is tried once a second: each try makes a segment of 16 MB anew."""

# --- conversation -----------------------------------------------------------------------------------------------------

MAILBOX_FRAMES_MAX: Final = 64
"""Frames waiting for one vehicle's task. At 64 the connection is no longer read until half are done."""

FRAGMENT_BYTES_MAX: Final = 64 * 1024
"""An assembled message of a terminal. Photographs (0x0801) have a bound of their own where they are stored."""
UPLINK_BYTES_MAX: Final = 64 * 1024
"""Bytes of a message kept in the table `uplink`, as much as is put together from fragments. Of a longer one the
beginning is kept, flagged and counted; the journal has it whole for its time. 100,000 messages of 100 bytes, a day of
1,000 cars, are 10 MB."""
FRAGMENT_S_MAX: Final = 120.0
FRAGMENT_TOTAL_MAX: Final = 1_024
"""Fragments of one message: 64 KB in pieces of 64 bytes. Real terminals fill theirs with several hundred."""
FRAGMENT_PAUSE_S: Final = 5.0
FRAGMENT_ASKS_MAX: Final = 3
"""Fragments that are missing 5 s after the last one came are asked for (0x8003), three times at most, each pause
longer by 5 s: 5 + 10 + 15 s lie well inside FRAGMENT_S_MAX."""
FRAGMENT_SETS_MAX: Final = 4
"""Messages a vehicle may have half sent at once: 4 * 64 KB bound what one car can make us hold. One more ends the
oldest, counted; its fragments stay in the journal."""
COMMANDS_OPEN_MAX: Final = 32
"""Commands on their way to one vehicle. One more fails at once with the reason `busy`."""
COMMAND_BODY_BYTES_MAX: Final = 256 * 1024
"""Body of one command: an upgrade package, in 257 fragments. A longer one is refused; larger packages are fetched by
the terminal itself from the address in 0x8105."""
COMMANDS_OPEN_BYTES_MAX: Final = 64 * 1024 * 1024
"""Fields of all commands on their way, as JSON, on one node: 120 upgrade packages in hexadecimal, or 200,000 texts. One
more fails with the reason `busy`."""
COMMAND_REQUEST_BYTES_MAX: Final = 2 * COMMAND_BODY_BYTES_MAX + 64 * 1024
"""A request with such a body in hexadecimal digits, and room for the other fields."""
COMMAND_EXPIRES_S: Final = 60.0
COMMAND_REPLY_BYTES_MAX: Final = 16 * 1024
"""What a terminal answered, as JSON in an event: 200 parameters are 12 KB. A longer answer is read from its message,
which the event names."""

APPROVAL_S: Final = 600.0
"""How long a command that others must approve may take from the request to its sending."""
APPROVERS: Final = 2
COMMANDS_LOOKED_MAX: Final = 500
"""Commands whose story is read for one page of those in a state: 500 looks at an index are 50 ms. Past it the page ends
early, with where to go on."""
IMMOBILISE_FIX_MS_MAX: Final = 10_000
IMMOBILISE_KMH10_MAX: Final = 50
"""A car is immobilised only if a fix younger than 10 s says it goes at most 5 km/h: a GNSS that stands still shows up
to 3, and from 5 km/h a car stops within its own length. Otherwise the command waits, with the reason, until it
expires."""
LOOK_AGAIN_S: Final = 1.0
"""How often a command that waits for its car to stand, or for room, is looked at again."""

TRANSFERS_MAX: Final = 32
"""Long messages on their way at once, on one node: 32 bodies of 256 KB are 8 MB. One more waits its turn."""
TRANSFER_WINDOW: Final = 4
TRANSFER_PAUSE_S: Final = 1.0
"""Fragments of one message out and not acknowledged, and the pause to the next ones where the terminal acknowledges
none: 4 KB a second, 64 s for the largest. Four escaped to twice their size are 8 KB, half of what a link may have
waiting (SEND_POOL_CHUNK_BYTES), so that other answers still fit."""
TRANSFER_GRACE_S: Final = 5.0
"""An acknowledgement of the first fragment may be for all: if no other comes within this, it was. A terminal that has
acknowledged some is sent the next ones after so long all the same: some do not acknowledge what they have already."""
TRANSFER_RESENDS_MAX: Final = 3
"""Times each fragment, on the average, may be asked for again (0x0005). Then the message is given up."""

UPLINK_EVENTS_PER_HOUR_MAX: Final = 120
"""Events an hour that a car's terminals make by messages (cards, waybills, answers): one every 30 s. A bus that counts
passengers at each stop makes 60. Past it a message is a row of the table `uplink` and no event, counted."""

REFUSALS_PER_LINK_MAX: Final = 3
"""Wrong codes on a link on which nobody is logged in. The third closes it: an honest terminal registers anew
after one."""
RECEPTION_FRAMES_MAX: Final = 2_048
"""Frames of terminals that nobody knows yet. Past it their connections are not read: 10,000 first registrations are
five fillings."""
REGISTRATION_BATCH: Final = 512
"""Terminals registered in one transaction: 10,000 first registrations are 20 thread hops and syncs, not 10,000."""

LOG_BATCH_EVENTS: Final = 256
LOG_LINGER_S: Final = 0.002
"""A transaction of the log: 256 events or 2 ms after the first, whichever comes first (facts section 6)."""
LOG_BACKLOG_EVENTS_MAX: Final = 16_384
"""Events waiting in one lane for the store: 64 batches, about 3 s of the store's pace and 16 MB. Past it callers wait,
their mailboxes fill, and their terminals are not read."""

VEHICLES_MAX: Final = 1 << 20
"""Rows of the vehicle table. Row = vehicle id; pages never touched cost nothing. A registration past it is refused."""

TERMINALS_MAX: Final = 2 * VEHICLES_MAX
"""Alarm latches, by terminal id: two terminals on every car (tracker and dash camera). A registration past it is
refused; should there be one all the same, its reports are stored, counted, and not judged for alarms."""

# --- media ------------------------------------------------------------------------------------------------------------

MEDIA_BYTES_MAX: Final = 2 * 1024 * 1024
"""One picture, sound or film. A picture of 1080 lines is 300 KB, a minute of WAV at 8 kHz 960 KB, ten seconds of film
at 1 Mbit/s 1.25 MB. A larger one is refused (0x8001 result 1), counted: films come by another way (JT/T 1078)."""
MEDIA_PACKETS_MAX: Final = 4_096
"""Packets of one item: 2 MiB in pieces of 512 bytes. Real terminals fill theirs with 800 to 1,000."""
MEDIA_OPEN_MAX: Final = 4
"""Items a car may have half sent at once: one a camera. One more gives up the oldest, counted."""
MEDIA_MEMORY_BYTES_MAX: Final = 256 * 1024 * 1024
"""Packets of all cars held in memory until their items are whole: 850 pictures of 300 KB on their way at once. An item
that begins past it is refused, counted; its terminal sends it again."""
MEDIA_S_MAX: Final = 900.0
"""From the first packet to the last. The largest item over a link of 2.5 KB/s (GPRS) takes 840 s; a car in a garage has
a quarter of an hour to come out. Then the half is given up, counted."""
MEDIA_PAUSE_S: Final = 5.0
MEDIA_ASKS_MAX: Final = 4
"""Packets missing 5 s after the last one came are asked for (0x8800 with a list), each pause longer by 5 s; four asks
in a row that bring nothing end it after 5 + 10 + 15 + 20 + 25 s. A packet that comes begins the count anew."""
MEDIA_ITEMS_DAY_MAX: Final = 2_000
"""Items of one car stored within 24 hours: a picture a minute is 1,440. One more is refused, counted: a terminal whose
door switch rattles must not fill the store for all."""
MEDIA_WRITES_AT_ONCE: Final = 4
"""Files written at once, a worker thread each: an item costs some 10 ms of syncs, so 400 a second; cars wait their
turn, each for its own items only."""
MEDIA_OWED_MAX: Final = 16
"""Answers kept for a terminal that was away when its item was stored, for its next login. The oldest is dropped: then
the terminal sends its item again, which is recognised."""
MEDIA_STORE_BYTES: Final = 20 * 1024**3
"""Bytes of all items together, unless configured (media_bytes_max): 100 cars with ten pictures of 100 KB a day fill it
in 200 days. At the bound new items are refused, counted, and shown on the system page; nothing is deleted."""
MEDIA_PAGE_MAX: Final = 500
MEDIA_LINK_MS: Final = 60_000
"""How far apart a picture and a crash, SOS or crossing of its car may be to belong together."""
MEDIA_LINKS_AT_ONCE: Final = 200
"""Items of one car looked at again when something happened to it: a picture every 0.6 s for two minutes."""

# --- stores -----------------------------------------------------------------------------------------------------------

STORE_TIMEOUT_S: Final = 30.0
STORE_CONNECT_TIMEOUT_S: Final = 5.0
"""A segment of 20,000 rows takes 0.05 s to insert; a server that needs 600 times that is away (StorageError)."""

STORE_MEMORY_BYTES_MAX: Final = 1536 * 1024 * 1024
"""Memory of the embedded ClickHouse, merges and queries together. Beyond it a query fails, not the process: of 200 MB a
query is refused its second 128 MB."""

STORE_READERS: Final = 2
"""Reads at once on one store: one big and one small. One more waits its turn."""

REFUSED_TRIES: Final = 3
"""A segment, and in the end each of its refused rows, is tried this often before it counts as refused for content."""

BISECTION_INSERTS_MAX: Final = 1_000
"""Inserts spent on looking for the refused rows of one segment: each costs 2 * 15 halvings of 20,000 rows and two more
tries, so about 30 scattered ones are found (2 * 17 and some 28 in 100,000 rows).
Beyond it, parts go to `report_refused` whole: the recorder goes on."""

REFUSED_REASON_CHARACTERS_MAX: Final = 500
"""A store's reason, cut."""

QUERY_ROWS_MAX: Final = 100_000
QUERY_S_MAX: Final = 10.0
QUERY_MEMORY_BYTES_MAX: Final = 512 * 1024 * 1024
"""One read: rows answered, seconds, and memory (a third of the embedded store's). Beyond each the query is refused."""

QUERY_ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
"""One answer as ClickHouse counts it: 100,000 rows of 640 bytes. On the socket, as JSON, it may be four times that. A
column that is one constant counts once; of such an answer QUERY_MEMORY_BYTES_MAX bounds each block."""

QUERY_REQUEST_BYTES_MAX: Final = 128 * 1024
QUERY_REQUEST_S: Final = 5.0
"""A question on the socket: 16,384 characters of SQL as JSON at most, and it must come at once."""

QUERY_BACKLOG: Final = 8
"""Askers waiting for the one question under way; one more waits in connect()."""

TRACK_POINTS_MAX: Final = 100_000
"""A day at one report a second is 86,400 points. A longer track is read in pieces."""

TRACK_THIN_M_MAX: Final = 1_000.0
"""Thinning coarser than a kilometre leaves no track."""

TRACK_DAYS_MAX: Final = 62
"""Days of one calendar: two months of a report a second are 5.4 million rows of one vehicle, which lie together."""

VEHICLES_PAGE_MAX: Final = 1_000
VEHICLES_LOOKED_MAX: Final = 20_000
"""Vehicles of one page, and those looked at for one when the search is by what they do now: 20 statements of 1,000.
Past it the page ends early, with where to go on."""

ARCHIVE_SCAN_BYTES: Final = 256 * 1024 * 1024
"""Journal looked through for one answer: a twentieth of a second from memory, a second from a disk. 100 cars at 10 s
write that in two days, 20,000 reports a second in two minutes. Past it the answer says where to go on."""

ARCHIVE_SCANS_MAX: Final = 2
"""Searches of the journal at once; one more waits. Each holds one segment in memory and reads a disk that the intake
syncs to."""

DATABASE_TIMEOUT_S: Final = 10.0
"""Wait for a connection, or for another writer to let go of the SQLite file. A batch of 256 events holds it 50 ms."""

EVENTS_STATEMENT_MAX: Final = 256
"""Events looked up and inserted by one statement; a larger append takes several within its transaction."""

EVENTS_READ_MAX: Final = 10_000
"""Events of one read: 10 MB of structs. A reader goes on from the last number it got."""

TERMINALS_IMPORT_MAX: Final = 5_000
"""Terminals entered in one transaction: about 1 s in which the log waits, well below its backlog of 3 s. A larger list
is cut in two."""
TERMINALS_IMPORT_BYTES_MAX: Final = 2 * 1024 * 1024
"""A list of 5,000 lines of 200 bytes, twice that in UTF-16."""

TERMINALS_PAGE_MAX: Final = 500
BINDINGS_READ_MAX: Final = 200
"""A terminal that changed cars every month for 16 years."""

KNOCKING_MAX: Final = 500
"""Terminals remembered that nobody knows and that tried to log in: about 200 KB. One more puts out the one that has
been silent longest, counted."""

# --- live feed --------------------------------------------------------------------------------------------------------

LIVE_FEEDS_MAX: Final = 128
"""Live feeds of one process. Each takes 20 bytes a car and second: of 10,000 cars 200 KB, so that all of them fill a
gigabit line by a fifth. One that does not read holds one tick, 26 MB for all. Past it a feed is closed with 4429."""

LIVE_FEEDS_PER_READER_MAX: Final = 8
"""Live feeds of one account or key: a wall of screens, or forgotten tabs. Past it the same."""

LIVE_CARS_PER_FRAME_MAX: Final = 32_768
"""Cars of one frame: 655,384 bytes. WebSocket clients commonly refuse messages over 1 MiB; a larger tick is several."""

LIVE_SLOW_S_MAX: Final = 20.0
"""How long a feed may not read at all. A lift or a tunnel takes seconds; then it is closed with 4408 and comes back."""

# --- detection --------------------------------------------------------------------------------------------------------

FENCES_PER_VEHICLE_MAX: Final = 64
"""Fences one vehicle may be in at once: 8 in its own cache line, 56 in 7 overflow blocks. Stores, district, city and
province nest about ten deep. Crossings of a 65th are not tracked, counted."""

FENCES_AT_POINT_MAX: Final = 4_096
"""Fences of one dealer group that one point may lie in: ten nested ones of each of 400 stores on one city. Those past
it are not judged at that point, counted."""

FENCE_BLOCKS_MAX: Final = 1 << 16
"""Overflow blocks of 8 fences: every sixteenth of 2^20 vehicles may be in more than 8 at once (12 MB when all are
used). None left: the crossing is not tracked, counted."""

FENCE_PASSED_MAX: Final = 16
"""Fences that the way between two fixes, 3 km at most, is judged to have led through. Those past it are counted."""

FACTS_PER_ROW_MAX: Final = 4 * FENCES_PER_VEHICLE_MAX + 2 * FENCE_PASSED_MAX
"""Facts one report can bring: of each fence it was in at most that speeding ended, that it was exited and entered, and
a long stay; two of each that it passed through."""

FACTS_MAX: Final = 4_096
"""Facts of one judging pass: a full batch of 4,096 rows that all cross. Full: the rest of the batch is judged in
another pass; nothing is dropped."""

RULE_GROUPS_MAX: Final = 4_096
"""Dealer groups of one node that may set thresholds of their own: a table of 16 KB for each detector. A million cars in
groups of 250. A group beyond is refused its own; it is judged by the defaults."""

RULE_VERSIONS_MAX: Final = 10_000
RULE_NOTE_CHARACTERS_MAX: Final = 200
"""Times that a group may change one detector's thresholds, each with a note why: 100 MB for twenty detectors. Twice a
day for thirteen years; a script that changes them at every request ends there, with a problem."""

REPLAY_ROWS: Final = 20_000
"""Reports of one page of a replay: 4 MB with their items, as much again as text on the socket."""
REPLAY_QUERY_S_MAX: Final = 60.0
REPLAY_FACTS_MAX: Final = 200_000
"""Facts that a replay holds of each side to compare them: 100 MB. Past it the span is to be narrowed."""
REPLAY_LISTED_MAX: Final = 1_000
"""Differences that are listed, the first by time; all are counted."""
TRIAL_REPORTS_MAX: Final = 2_000_000
TRIAL_S: Final = 24 * 3600
"""What the portal tries before rules are saved: a day, or the last two million reports of it, some ten seconds of one
processor beside the node's own work. One at a time."""

SWEEP_MS: Final = 10_000
"""How often detection looks at what follows from silence, in time of arrival. A look at 100,000 rows costs about a
millisecond."""
SWEEP_LAG_MS: Final = 5_000
"""How long after a moment all reports that arrived before it have been judged, where nothing comes any more: a sync and
a hand-up take some 20 ms, a slow disk a second."""
OUTAGE_MS: Final = 120_000
"""Nothing from any car for so long, and nobody has looked either: it was we who were away. Their silence
counts from when they are heard again. So it does where our clock was set back by more: it was wrong before."""

FENCE_CORNERS_MAX: Final = 10_000
"""Corners of one polygon, all rings together. A province's outline simplified to 100 m has about 5,000."""

FENCE_RADIUS_M_MAX: Final = 500_000.0
"""A circle larger than 500 km is a region: draw it as a polygon."""
FENCE_RADIUS_M_MIN: Final = 1.0

FENCE_AREA_M2_MIN: Final = 100.0
"""A fence that people draw is at least ten metres square: a fix is off by five, and one by two would be chance."""
FENCE_AREA_M2_MAX: Final = 2e12
"""The largest province has 1.66 million square kilometres."""
FENCE_PERIMETER_M_MAX: Final = 20_000_000.0
"""20,000 km, three times around the largest province. Each 360 m of boundary make a cell of the index: 55,000 cells and
some 4 MB; without it 10,000 corners zigzagging across a country would make 28 million."""
CORRIDOR_POINTS_MAX: Final = 10_000
"""Points of a corridor's line: a motorway of 2,000 km with one every 200 m, as exact as a fix at its speed."""
CORRIDOR_WIDTH_M_MIN: Final = 10.0
"""A fix is off by five metres on either side: in a narrower one a car on the line would be out by chance."""
CORRIDOR_WIDTH_M_MAX: Final = 2_000.0
"""A kilometre on both sides; the index looks no further around a line. What is wider is an area: draw a polygon."""
CORRIDOR_LENGTH_M_MAX: Final = 5_000_000.0
"""5,000 km, from one end of China to the other along roads. At the full width it covers 77,000 cells of 360 m of the
index, as the largest polygon's boundary does."""
FENCE_WINDOWS_MAX: Final = 28
"""Windows of a week in which a fence is judged by, or cars are expected: four for each day."""
FENCE_DWELL_S_MIN: Final = 30
"""A stay is told from passing by three fixes ten seconds apart."""
FENCE_DWELL_S_MAX: Final = 7 * 86_400
"""A week, the longest that the index says. Who stays longer has long been told of."""
FENCE_SPEED_KMH_MAX: Final = 300
FENCE_SPEED_S_MAX: Final = 3_600
"""An hour above the limit: longer than any zone is driven through."""
FENCES_MAX: Final = 100_000
"""Geofences of one dealer group: the index of so many takes 116 MB and 2.4 s to build. One more is refused."""
FENCES_PAUSE_S_MAX: Final = 10.0
"""Longest pause between two builds of the index: a change is judged by after two builds and this, whatever happens."""
ZONES_LOOK_S: Final = 300.0
"""How often it is asked whether clocks were turned: hours are right five minutes after summer begins."""
FENCE_VEHICLES_MAX: Final = 10_000
"""Cars that one fence is chosen for. A fence for more is for its store or the whole group."""
FENCE_NAME_CHARACTERS_MAX: Final = 64

AREA_CORNERS_MAX: Final = 500
"""Corners of a fence told to terminals: 4 KB, a message of four fragments. Terminals hold a few hundred in an area; a
district's outline simplified to 50 m has as many."""
AREA_ROUTE_WIDTH_M_MAX: Final = 255
"""A route's width on a terminal is one byte of metres (0x8606)."""
AREA_ROUTE_POINTS_MAX: Final = 200
"""Turning points of a route told to terminals: 25 bytes each with a limit, 5 KB, a message of five fragments."""
AREA_MS_MIN: Final = 946_656_000_000
AREA_MS_END: Final = 4_102_416_000_000
"""2000 to 2099 by the clock of terminals, GMT+8: what six digits of a year, month and day can say."""
AREAS_PER_GROUP_MAX: Final = 1_000
"""Geofences of one dealer group that are told to terminals: 100 stores with ten each. Who is to be told of each is
counted out for 5,000 terminals at a time, a tenth of a second. One more is refused."""
AREAS_PER_TERMINAL_MAX: Final = 24
"""Areas of one kind on one terminal: what common models hold. An operator with better ones raises it (`areas_max`). Of
more the oldest are told, the others are refused with the reason `full` until there is room."""
AREA_COMMANDS_MAX: Final = 128
"""Commands about areas on their way at once, over all terminals. A terminal answers in a second or two: 64 to 128 of
them a second, so that the 5,000 cars of a group hold a new fence after a minute, and the log takes 400 events a second
of its 5,000. The others wait in their table, the oldest first."""
AREA_COMMAND_EXPIRES_S: Final = 120.0
"""Time for a command about an area to reach its terminal, which was there when it was asked for: its sending, and one
more after 20 s. It keeps its place among AREA_COMMANDS_MAX so long; then the area waits for the terminal to come."""
AREA_COMMAND_LOST_S: Final = 900.0
"""No decision on a command so long after it was asked for: its end was lost, and it is asked for again."""
AREA_ATTEMPTS_MAX: Final = 4
AREA_PAUSE_S: Final = 30.0
"""Times a terminal is asked without an answer, and the pause after the first, doubled after each: 3.5 minutes and the
commands' own 40 s each. Then the area is `unknown` until the terminal comes anew or a person tries again."""
AREA_TERMINALS_AT_ONCE: Final = 5_000
"""Terminals whose areas are counted out in one transaction: 0.3 s in which the log waits."""
AREAS_PAGE_MAX: Final = 500

TRACKING_PER_MINUTE_MAX: Final = 60
"""Cars asked for dense reports after a suspected crash, a minute: each sends one a second for two minutes, so at most
120 reports a second. More crashes at once are a fault, or an earthquake; the suspicions stand all the same."""

GEOJSON_BYTES_MAX: Final = 8 * 1024 * 1024
GEOJSON_FEATURES_MAX: Final = 2_000
GEOJSON_CORNERS_MAX: Final = 100_000
"""One import: 100,000 corners written out with seven decimals are 3 MB, and take 1.5 s to look for edges that cross
when all are in ten fences of 10,000; 2,000 fences are one transaction of half a second."""
KML_DEPTH_MAX: Final = 32
"""Elements in one another: a position lies nine deep, and folders in folders add one each."""
KML_ELEMENTS_MAX: Final = 200_000
"""2,000 Placemarks with a hundred elements each; some 40 MB as a tree."""
KMZ_MEMBERS_MAX: Final = 1_000
"""Files in a KMZ: its document, and icons and pictures that nobody looks at."""
KMZ_RATIO_MAX: Final = 200
"""KML packs 5 to 30 to 1. What unpacks to more is made to."""
OUTLINES_MAX: Final = 2_000
"""Geofences that one answer for a map draws; of more than these the large ones, the others counted in cells."""
OUTLINES_LARGE_MAX: Final = 500
"""Of these beside counted ones: more lines cannot be told apart on a screen."""
OUTLINE_CORNERS_MAX: Final = 100_000
"""Corners read for one answer for a map: 3 MB of boundaries, a tenth of a second. Fences past it, those with most
corners, come as their boxes."""
OUTLINE_CELLS_MAX: Final = 40
"""Cells along either side of a map in which fences are counted: 64 pixels each on a screen of 2,560."""
GEOJSON_REFUSALS_MAX: Final = 100
"""Refusals named in one answer; the rest are counted."""

SUMMARY_EVERY_S: Final = 15.0
SUMMARY_ROWS_MAX: Final = 200_000
"""Last positions and mileage are stored this often, for all segments since; earlier when they would be more rows, 20 MB
held in memory. An insert costs some 12 ms of CPU however small."""

# --- reading --------------------------------------------------------------------------------------------------------

ACCESS_WAITING_MAX: Final = 1_024
"""Reads of positions that wait for their row of the access log. They share one transaction, so a thousand of them wait
20 ms; one more is refused, and counted. The API's worker threads are far fewer: this bound stands for the bug."""

ACCESS_S_MAX: Final = 5.0
"""A read of positions waits this long for its row of the access log to be on disk; then it is refused, and counted."""

UPLINKS_PAGE_MAX: Final = 200
UPLINK_LISTED_BYTES_MAX: Final = 4 * 1024
"""Messages of one page, and bytes of each: 0.8 MB. A longer one is read by itself."""

POSITIONS_READ_MAX: Final = 10_000
"""Positions of one page: 1 MB of structs. A reader goes on behind the last vehicle it got."""

STREAMS_MAX: Final = 512
STREAMS_PER_PRINCIPAL_MAX: Final = 16
"""Event streams open at once, in all and of one account or key: each holds a socket and up to 64 KB that uvicorn has
taken and not sent, 32 MB together; waking all of them costs some 30 ms of the API's loop. Sixteen are the tabs and
programs of one. One more is refused (429 streams_full), counted."""
STREAM_EVENTS: Final = 100
"""Events of one read of a stream: 50 KB, which a slow client is waited for before the next."""
STREAM_WAKE_S: Final = 0.02
"""The streams are woken at most 50 times a second, however often the log commits: a read for each kind of them costs
about a millisecond."""
STREAM_KNOWN_S: Final = 2.0
"""How often an open stream asks whether its reader still may."""

# --- people -----------------------------------------------------------------------------------------------------------

PASSWORD_CHARACTERS_MIN: Final = 10
PASSWORD_CHARACTERS_MAX: Final = 256
"""Ten characters that are not among the common ones survive any guessing that the lock-out allows; the upper bound
keeps a stranger from having us hash megabytes."""

HASHES_AT_ONCE_MAX: Final = 2
"""Passwords hashed at once, each with 32 MiB (storage/passwords.py): 64 MiB, whatever knocks."""
HASHES_WAITING_MAX: Final = 16
"""Logins waiting for a hash: at 0.12 s each and two at once the last of them waits a second. One more is told to come
again (503), counted."""

LOGIN_FAILURES_MAX: Final = 10
LOGIN_LOCKED_S: Final = 15 * 60
"""Wrong passwords in a row until an account is locked, and for how long. That allows 40 guesses an hour, 350,000 a
year: of the 10^12 passwords of eight random letters and digits, none is found."""
ADDRESS_FAILURES_MAX: Final = 50
"""Failed logins from one address within LOGIN_LOCKED_S until it is locked for as long. An office of a hundred behind
one address mistypes less; at 0.12 s a hash a locked-out guesser has cost 6 s of CPU in 15 minutes."""
ADDRESSES_MAX: Final = 10_000
"""Addresses, and logins that do not exist, whose failures are remembered, about 200 bytes each. One more forgets the
one that failed longest ago: whoever owns so many addresses still meets the lock of each account."""

SESSION_IDLE_S: Final = 12 * 3600
SESSION_S_MAX: Final = 7 * 24 * 3600
"""A session ends after 12 h without a request (a shift and its breaks), and after a week in any case."""
SEEN_EVERY_S: Final = 60
"""How often the last use of a session or key is written: a write a minute, not one a request."""
SESSIONS_PER_ACCOUNT_MAX: Final = 32
"""Browsers and telephones of one person; one more ends the session that was used longest ago."""
KEYS_PER_ACCOUNT_MAX: Final = 50
"""API keys in force of one account. One more is refused."""
INVITATION_S: Final = 72 * 3600
"""How long a one-time link opens: a weekend and a day."""
PRINCIPAL_KNOWN_S: Final = 3.0
PRINCIPALS_KNOWN_MAX: Final = 10_000
"""Who a session or key belongs to is asked of the database at most every 3 s, for 10,000 of them (10 MB): so long may a
change made by another process go unseen; one made in this process counts at once."""
PEOPLE_READ_MAX: Final = 1_000
"""Accounts, keys, sessions, stores or accesses on one page."""
ACCOUNT_STORES_MAX: Final = 1_000
"""Stores one account may be given by name; who works for more works for the group."""

ARMED_RADIUS_M_MIN: Final = 50
ARMED_RADIUS_M_MAX: Final = 5_000
"""How far an armed car may be from its place. Below, a receiver among high buildings would leave it by itself; above,
it is a geofence that is wanted."""

# --- The business -----------------------------------------------------------------------------------------------------

BUSINESS_CACHE_ROWS_MAX: Final = 400_000
"""Rows of business tables remembered between transactions, by halves: at about 500 bytes 200 MB, and all that rules ask
for again and again of 100,000 cars with their owners. What is let go is read again."""
FIND_ROWS_MAX: Final = 1_000
"""Rows of one question of a rule by equal columns. Past it the key is parked: who must look at more asks by the wrong
key."""
EMITTED_EVENTS_MAX: Final = 256
"""Events said by one rule in answer to one: a withdrawal reaches dozens. Past it the key is parked, and nothing of it
is said: a loop, or a table that has grown past what one decision may touch."""
WAITING_EVENTS_RELEASED_MAX: Final = 2_000
"""Events that waited for a parked key and are handled by one release: at 0.1 ms each a transaction of 0.2 s, beside
which nobody else writes. Past it the key is parked again, and released again."""
PARKED_KEYS_KNOWN_MAX: Final = 20_000
"""Parked keys held in memory, so that an event costs no question whether its key is: 4 MB. Past it each is asked
for."""
PARKED_REASON_CHARACTERS_MAX: Final = 400
"""Of why a key is parked: an error's words; the rest is cut off."""
CATCH_UP_EVENTS: Final = 512
"""Events folded in one transaction where a log is caught up with: 50 ms, with one sync."""
TIMERS_AT_ONCE: Final = 256
"""Timers said to be due in one transaction; the next look takes the next ones."""

# --- incidents --------------------------------------------------------------------------------------------------------

ALERTS_OF_INCIDENT_MAX: Final = 200
"""Alerts of one incident that are kept each by itself: a button pressed every nine seconds for its whole window of
half an hour. Those past it are counted on the incident, and raise it as any other does; each stands in the log."""
INCIDENTS_REMEMBERED_MAX: Final = 8
"""Incidents of a car that a new alert may belong to, the newest: four hours of alerts a window apart. One that belongs
to an older one opens another."""
INCIDENTS_PAGE_MAX: Final = 200
"""Incidents of one page: 100 KB; the next page goes on behind."""
INCIDENT_STEPS_MAX: Final = 1_000
"""Steps of one incident that are read, the newest: one that nobody acknowledges calls for help once an hour, so six
weeks of it."""

# --- the garage -------------------------------------------------------------------------------------------------------

LINKS_OF_CAR_MAX: Final = 200
"""People ever linked to one car: ten owners with a family and a fleet's drivers each. Their ends are at most so many
events in answer to one sale (EMITTED_EVENTS_MAX). One more is refused (links_full)."""
MERGES_FOLLOWED_MAX: Final = 32
"""How often a person was merged into another one who was merged again: each step a row. Past it two links count as two
persons'."""
ODOMETER_M_MAX: Final = 3_000_000_000
"""What an odometer can show, in metres: the car with most kilometres on earth came 5.2 million, a lorry's instrument
ends at 2,999,999 km or before. More is refused (odometer_unfit)."""
HELD_PAGE_MAX: Final = 200
ENTRIES_PAGE_MAX: Final = 500
"""Held readings, and entries of a health record, on one page: 100 KB; the next page goes on behind."""
ENTRIES_PROVED_MAX: Final = 20_000
"""Entries of one record that are reckoned over for one answer, 6 us each: 0.12 s. Past it the answer says up to which
entry it was reckoned over, and still whether the newest is what the log was told."""

# --- Keys, the audit log, exports -------------------------------------------------------------------------------------

REWRAP_ROWS: Final = 500
"""Data keys wrapped anew in one transaction: at 10 us each 5 ms, in which nobody else writes."""
KEY_GRACE_S: Final = 900
"""How long a key of the ring goes on opening after the next one was made, in seconds. A process that wrapped by it just
before has committed by then: no transaction lasts minutes."""
OUTBOX_SEARCHED_MAX: Final = 5_000
"""Messages looked through for a word, newest first: their texts are sealed, and opening so many takes 0.1 s. Older ones
are not found; narrow the time."""
AUDIT_SEAL_S: Final = 60.0
"""The audit log is sealed this often, if anything was written to it: half a million events in a busy year, and what
somebody who has the database but not the keys could change unseen is a minute old at most."""
AUDIT_VERIFIED_MAX: Final = 100_000
"""Rows of the audit log that a page verifies: a second. `carillon audit verify` verifies all of them."""
ACT_CHARACTERS_MAX: Final = 200
"""Of one act's detail in the audit log: parameters of its path; the rest is cut off."""
EXPORT_FREE_ROWS: Final = 1_000
"""Rows of an export that nobody else must approve: a day's work list of a store, and not its customers."""
EXPORT_APPROVAL_S: Final = 86_400
"""An export that nobody has judged for a day is denied."""
EXPORTS_WAITING_MAX: Final = 20
"""Exports of one account that wait for approval or to be fetched; one more is refused."""
PERSONS_HOUR_MAX: Final = 500
"""Persons whose data one account or key reads in an hour before security is told: 62 are a busy agent's calls. Who has
read as many in an hour of the last four weeks is told of beyond one and a half times that."""

# --- persons ----------------------------------------------------------------------------------------------------------

ATTRIBUTE_CHARACTERS_MAX: Final = 200
"""Signs of one attribute of a person: the longest addresses that people write have about 100. A longer one is cut, kept
with the check `too_long`, and never compared."""
CAPTURES_AT_ONCE_MAX: Final = 1_000
"""Captures in one request (a motor show's badges): each takes about 2 ms, so 2 s. One more refuses the request, counted
by its problem."""
LINK_CANDIDATES_MAX: Final = 64
"""Captures that a new one is compared with, those that share most with it first and the newest of them. A switchboard
that ten thousand share must not cost ten thousand openings of 0.1 ms each. Those past it are not compared, counted."""
LINK_PERSONS_MAX: Final = 8
"""Persons that one capture may be held against in its event, the likeliest first: nobody reviews more than that."""
PERSON_CAPTURES_MAX: Final = 500
"""Captures of one person, merged ones included: forty a year for twelve years. One more, or a merge that would make
more, is refused: it is no person but a test number that somebody types everywhere."""
HOUSEHOLD_MEMBERS_MAX: Final = 200
"""Members of one household or company. One more is refused."""
VERIFICATION_S: Final = 600
"""How long a one-time code opens: time to find the telephone and to ask again once."""
VERIFICATION_TRIES_MAX: Final = 5
"""Wrong codes until one is void: five guesses of a million."""
VERIFICATIONS_PER_DAY_MAX: Final = 5
"""Codes sent to one number within 24 h: nobody's telephone is made to ring by us all day. One more is refused."""
PERSONS_PAGE_MAX: Final = 200
"""Persons or matches on one page: each opens a name, 0.1 ms."""

# --- Consents ---------------------------------------------------------------------------------------------------------

CONSENT_CELLS_MAX: Final = 60
"""Cells of one text: four times what a purpose may hold, in every channel. Each is an event of one answer, of which a
rule says EMITTED_EVENTS_MAX at most. A longer text is refused."""
CONSENT_BODY_CHARACTERS_MAX: Final = 8_000
"""Of a text in one language: four printed pages, which is already more than anybody reads. A longer one is refused."""
CONSENT_EVIDENCE_CHARACTERS_MAX: Final = 64
"""Of what shows that somebody agreed: a kind and a number, never words."""
CONSENT_DAYS_MAX: Final = 3_650
"""Ten years: a consent that is meant to last longer is asked for again."""
GLASS_MINUTES_MAX: Final = 240
"""How long one break-glass opens: a rescue with a tow across the province. A longer one is refused; a new one can be
opened, which is reviewed by itself."""
GLASS_OPEN_MAX: Final = 5
"""Break-glasses of one account that nobody has reviewed. One more is refused: who looks so often is asked first."""
GLASS_REVIEW_H: Final = 72
"""A break-glass that is not reviewed so long after its end is overdue, and said to be: a weekend and a day."""
GLASS_USES_KNOWN_MAX: Final = 10_000
"""Uses of break-glasses remembered, so that a map that looks every second is one event a minute: 1 MB. Past it all are
forgotten, and a use may be said twice in its minute, with the same id."""
SERVICE_AREA_M: Final = 50_000
"""Around each store of the group: what `area` of the precision ladder tells of a place is whether it lies within."""

# --- the organisation -------------------------------------------------------------------------------------------------

NODE_NAME_CHARACTERS_MAX: Final = 64
"""Of a name, code, brand or reason in the tree: what fits on a card. One more is refused (`too_long`)."""
NODE_DEPTH_MAX: Final = 8
"""Levels of the tree, the group's the first: a group has four, one of groups in provinces seven. One more is refused
(`nodes_full`); a scope is found in so many steps."""
NODE_CHILDREN_MAX: Final = 900
"""Nodes below a group or region, closed ones too: below FIND_ROWS_MAX, so that all of them are found at once. A group
with more stores puts regions between. One more is refused (`nodes_full`)."""
DEPARTMENTS_MAX: Final = 30
"""Departments of one store: a large one has twelve. With STORE_PLACES_MAX it keeps what a closing store says below
EMITTED_EVENTS_MAX (256): 30 departments, 200 places and the store itself. One more is refused (`nodes_full`)."""
STORE_PLACES_MAX: Final = 200
"""Places in force at one store with its departments, or at one region: a large 4S store has 150 people. One more is
refused (`places_full`)."""
GROUP_PLACES_MAX: Final = 900
"""Places in force at the group itself, below FIND_ROWS_MAX. One more is refused (`places_full`)."""
PLACES_PER_ACCOUNT_MAX: Final = 64
"""Places in force of one account; who works for more stores works for their region. One more is refused
(`places_full`), and as many are asked for at once: with their ends and SHIFTS_AHEAD_MAX 188 events at most."""
CALENDAR_DAYS_MAX: Final = 800
"""Days of one node's calendar, below FIND_ROWS_MAX: 50 a year are 16 years. One more is refused (`calendar_full`)."""
SKILLS_MAX: Final = 200
DUTIES_MAX: Final = 200
"""Skills, and kinds of work, of one group: what one page shows. One more is refused (`skills_full`)."""
SHIFT_MS_MAX: Final = 24 * 3_600_000
"""A shift lasts a day at most: a fire brigade's. A longer one is refused (`shift_invalid`)."""
SHIFTS_AHEAD_MAX: Final = 60
"""Shifts of one account that are not over: two months. One more is refused (`shifts_full`)."""
FACTOR_FAILURES_MAX: Final = 5
FACTOR_LOCKED_S_MAX: Final = 24 * 3600
"""Wrong codes of a second factor with the right password until the account is locked, for LOGIN_LOCKED_S, and twice as
long after each five more, a day at most. In the long run that allows 5 guesses a day, each right in 3 of 10^6: of two
hundred years of guessing one succeeds."""
FACTOR_CODES: Final = 10
"""Recovery codes of one account, each for one login, 80 random bits."""
