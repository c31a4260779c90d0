-- A business database as the program left it at version 0001: its tables word for word, and what a small group had in them.
-- Kept as it is: what reads it must bring it forwards.
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE binding (
	id INTEGER NOT NULL, 
	terminal INTEGER NOT NULL, 
	vehicle INTEGER NOT NULL, 
	role TEXT NOT NULL, 
	from_ms BIGINT NOT NULL, 
	to_ms BIGINT, 
	group_id INTEGER NOT NULL, 
	store_id INTEGER NOT NULL, 
	CONSTRAINT pk_binding PRIMARY KEY (id), 
	CONSTRAINT fk_binding_terminal FOREIGN KEY(terminal) REFERENCES terminal (id), 
	CONSTRAINT fk_binding_vehicle FOREIGN KEY(vehicle) REFERENCES vehicle (id)
);
INSERT INTO "binding" VALUES(1,1,1,'main',1760000000000,NULL,1,0);
INSERT INTO "binding" VALUES(2,2,2,'main',1760000000000,NULL,1,0);
CREATE TABLE counter (
	name TEXT NOT NULL, 
	number BIGINT NOT NULL, 
	CONSTRAINT pk_counter PRIMARY KEY (name)
);
INSERT INTO "counter" VALUES('boot',3);
CREATE TABLE event (
	seq BIGINT NOT NULL, 
	id TEXT NOT NULL, 
	type TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	time_ms BIGINT NOT NULL, 
	arrival_ms BIGINT NOT NULL, 
	subject TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	group_id INTEGER NOT NULL, 
	store_id INTEGER NOT NULL, 
	actor TEXT NOT NULL, 
	cause TEXT NOT NULL, 
	correlation TEXT NOT NULL, 
	answers TEXT, 
	depth INTEGER NOT NULL, 
	purpose TEXT NOT NULL, 
	payload TEXT NOT NULL, 
	CONSTRAINT pk_event PRIMARY KEY (seq), 
	CONSTRAINT uq_event_id UNIQUE (id)
);
INSERT INTO "event" VALUES(1,'00000000000000000000000000000001','terminal.registered',1,1760000000000,1760000000900,'terminal:1','vehicle:1',1,0,'reception','','00000000000000000000000000000001',NULL,0,'service','{"terminal":1,"vehicle_id":1,"phone":"13900000001","terminal_id":"T000001","maker":"CARIL","model":"X1","plate":"粤B00001","plate_colour":1,"province":44,"city":300}');
INSERT INTO "event" VALUES(2,'00000000000000000000000000000002','terminal.registered',1,1760000000000,1760000000900,'terminal:2','vehicle:2',1,0,'reception','','00000000000000000000000000000002',NULL,0,'service','{"terminal":2,"vehicle_id":2,"phone":"13900000002","terminal_id":"T000002","maker":"CARIL","model":"X1","plate":"粤B00002","plate_colour":1,"province":44,"city":300}');
INSERT INTO "event" VALUES(3,'00000000000000000000000000000003','fence.entered',1,1760000020000,1760000020900,'vehicle:1','vehicle:1',1,0,'detection','','00000000000000000000000000000003',NULL,0,'service','{"vehicle_id":1,"fence_id":1,"report_id":"00000000000000a2","lat_1e7":300000000,"lon_1e7":1490000000,"speed_kmh10":300,"rule_version":1}');
INSERT INTO "event" VALUES(4,'00000000000000000000000000000004','crash.suspected',1,1760000030000,1760000030900,'vehicle:1','vehicle:1',1,0,'detection','','00000000000000000000000000000004',NULL,0,'safety','{"vehicle_id":1,"terminal":1,"report_id":"00000000000000a3","lat_1e7":300001000,"lon_1e7":1490001000,"speed_kmh10":0,"alarm":536870912,"evidence":"alarm.29","has_fix":true,"late":false}');
CREATE TABLE geofence (
	id INTEGER NOT NULL, 
	group_id INTEGER NOT NULL, 
	store_id INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	geometry TEXT NOT NULL, 
	active BOOLEAN NOT NULL, 
	CONSTRAINT pk_geofence PRIMARY KEY (id)
);
INSERT INTO "geofence" VALUES(1,1,0,'店内停车场','circle','{"centre": [149.0, 30.0], "radius_m": 300.0}',1);
INSERT INTO "geofence" VALUES(2,1,0,'四环','polygon','{"coordinates": [[[149.0, 30.0], [149.1, 30.0], [149.1, 30.1], [149.0, 30.0]]]}',1);
CREATE TABLE log_owner (
	log TEXT NOT NULL, 
	epoch BIGINT NOT NULL, 
	owner TEXT NOT NULL, 
	head BIGINT NOT NULL, 
	CONSTRAINT pk_log_owner PRIMARY KEY (log)
);
INSERT INTO "log_owner" VALUES('event',3,'node1',4);
CREATE TABLE position (
	reader TEXT NOT NULL, 
	seq BIGINT NOT NULL, 
	CONSTRAINT pk_position PRIMARY KEY (reader)
);
CREATE TABLE terminal (
	id INTEGER NOT NULL, 
	phone VARCHAR(20) NOT NULL, 
	terminal_id TEXT NOT NULL, 
	maker TEXT NOT NULL, 
	model TEXT NOT NULL, 
	province INTEGER NOT NULL, 
	city INTEGER NOT NULL, 
	group_id INTEGER NOT NULL, 
	store_id INTEGER NOT NULL, 
	created_ms BIGINT NOT NULL, 
	revision INTEGER NOT NULL, 
	CONSTRAINT pk_terminal PRIMARY KEY (id), 
	CONSTRAINT uq_terminal_phone UNIQUE (phone)
);
INSERT INTO "terminal" VALUES(1,'13900000001','T000001','CARIL','X1',44,300,1,0,1760000000000,1);
INSERT INTO "terminal" VALUES(2,'13900000002','T000002','CARIL','X1',44,300,1,0,1760000000000,1);
CREATE TABLE vehicle (
	id INTEGER NOT NULL, 
	plate TEXT NOT NULL, 
	plate_colour INTEGER NOT NULL, 
	vin TEXT NOT NULL, 
	group_id INTEGER NOT NULL, 
	store_id INTEGER NOT NULL, 
	created_ms BIGINT NOT NULL, 
	CONSTRAINT pk_vehicle PRIMARY KEY (id)
);
INSERT INTO "vehicle" VALUES(1,'粤B00001',1,'LSVAA0000A0000001',1,0,1760000000000);
INSERT INTO "vehicle" VALUES(2,'粤B00002',1,'LSVAA0000A0000002',1,0,1760000000000);
CREATE UNIQUE INDEX uq_event_answers ON event (answers) WHERE answers IS NOT NULL;
CREATE INDEX ix_event_type_seq ON event (type, seq);
CREATE INDEX ix_event_correlation_seq ON event (correlation, seq);
CREATE INDEX ix_binding_terminal_from_ms ON binding (terminal, from_ms);
CREATE INDEX ix_binding_vehicle_from_ms ON binding (vehicle, from_ms);
CREATE UNIQUE INDEX uq_binding_open ON binding (terminal) WHERE to_ms IS NULL;
COMMIT;
