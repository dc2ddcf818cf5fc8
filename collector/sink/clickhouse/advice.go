package clickhouse

// Codes of errors that somebody can mend while batches wait (src/Common/ErrorCodes.cpp).
const (
	tooManyRows       = 158
	timeoutExceeded   = 159
	readOnlyUser      = 164
	memoryLimit       = 241
	tableReadOnly     = 242
	notEnoughSpace    = 243
	constraint        = 452
	accessDenied      = 497
	authenticationBad = 516
)

// advice is what to do about an error that keeps batches waiting. ClickHouse's own words say what is wrong, and not always whose it is.
var advice = map[int]string{
	unknownTable: "a table is missing: make what \"collector schema clickhouse\" prints, which leaves what is there as it is, or set createTables",
	tooManyRows:  "an insert has more rows or groups than the user may have: raise the limits in its profile (max_rows_to_group_by and others)",
	timeoutExceeded: "an insert takes longer than the user may have: raise max_execution_time in its profile, or see what slows ClickHouse down " +
		"(system.processes)",
	readOnlyUser: "the user may only read: take the setting readonly from its profile",
	memoryLimit:  "ClickHouse is short of memory: give it more, or see which queries take it (system.processes)",
	tableReadOnly: "a table takes no inserts: look for it with SELECT table, is_readonly FROM system.replicas and for the setting table_readonly in " +
		"SHOW CREATE TABLE; a replicated one is so while it has no Keeper",
	notEnoughSpace: "make room on ClickHouse's disk: shorten the tables' TTL or add disk space",
	tooManyParts: "a table has more parts than ClickHouse merges: see that merges run (system.merges, SYSTEM START MERGES), and make messages larger with " +
		"the collectors' output.batch",
	constraint:        "the user's profile keeps a setting from what the sink needs: let the user change it, or set it so",
	accessDenied:      "grant the user the right that is missing",
	authenticationBad: "see that user and password are those that ClickHouse has",
}
