package clickhouse

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/flowfleet/flowfleet/collector/sink"
)

// Codes of ClickHouse's errors (src/Common/ErrorCodes.cpp).
const (
	cannotReadAllData  = 33
	unknownFunction    = 46
	unknownTable       = 60
	unknownDatabase    = 81
	unknownSetting     = 115
	tooManyParts       = 252
	violatedConstraint = 469
)

// tooManyPartitions is in the text of tooManyParts where the batch itself has rows of more partitions than one insert may have
// (max_partitions_per_insert_block). Without it, the table has too many parts for now, which merging mends.
const tooManyPartitions = "for single INSERT block"

// cutOnTheWay is in the text of cannotReadAllData where a body ended before its Content-Length (LimitReadBuffer.cpp), as when a proxy loses its
// other side: the batch is whole, and comes again.
const cutOnTheWay = "Unexpected EOF, got"

// dataCodes are those that speak of the data: the same batch gives them each time. All others are about the server, the tables or the
// user, which somebody can mend while the batch waits.
var dataCodes = map[int]string{
	6:                  "CANNOT_PARSE_TEXT",
	25:                 "CANNOT_PARSE_ESCAPE_SEQUENCE",
	26:                 "CANNOT_PARSE_QUOTED_STRING",
	27:                 "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
	32:                 "ATTEMPT_TO_READ_AFTER_EOF",
	cannotReadAllData:  "CANNOT_READ_ALL_DATA",
	38:                 "CANNOT_PARSE_DATE",
	41:                 "CANNOT_PARSE_DATETIME",
	72:                 "CANNOT_PARSE_NUMBER",
	117:                "INCORRECT_DATA",
	128:                "TOO_LARGE_ARRAY_SIZE",
	131:                "TOO_LARGE_STRING_SIZE",
	321:                "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
	436:                "PROTOBUF_BAD_CAST",
	444:                "UNKNOWN_PROTOBUF_FORMAT",
	441:                "CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING",
	467:                "CANNOT_PARSE_BOOL",
	violatedConstraint: "VIOLATED_CONSTRAINT",
	563:                "CANNOT_READ_MAP_FROM_TEXT",
	632:                "UNEXPECTED_DATA_AFTER_PARSED_VALUE",
	675:                "CANNOT_PARSE_IPV4",
	676:                "CANNOT_PARSE_IPV6",
	691:                "UNKNOWN_ELEMENT_OF_ENUM",
}

// exception is ClickHouse's word on a request that failed.
type exception struct {
	status int
	code   int // 0 where it gave none: what answered need not be ClickHouse
	text   string
}

// Error says what to do before what ClickHouse says, which may be long.
func (e *exception) Error() string {
	if e.text == "" {
		return fmt.Sprintf("the server answers %d %s", e.status, http.StatusText(e.status))
	}
	if todo := advice[e.code]; todo != "" && !ofTheBatch(e.code, e.text) {
		return todo + ": " + e.text
	}
	return e.text
}

var codeInText = regexp.MustCompile(`^Code: (\d{1,9})\. DB::`)

// judge says what an answer means: nil where the request was carried out. A server that failed after it began to answer says so in the
// body, with status 200.
func judge(status int, code, answer string) error {
	text := strings.TrimSpace(answer)
	match := codeInText.FindStringSubmatch(text)
	if status == http.StatusOK && code == "" && match == nil {
		return nil
	}
	e := &exception{status: status, text: text}
	if code == "" && match != nil {
		code = match[1]
	}
	e.code, _ = strconv.Atoi(code)                                 // 0 for none
	refused := len(answer) < maxAnswer && ofTheBatch(e.code, text) // of a longer one nobody knows what comes yet
	if len(text) > maxText {
		e.text = strings.ToValidUTF8(text[:maxText*3/4]+" ... "+text[len(text)-maxText/4:], "")
	}
	if refused {
		return &sink.Refusal{Reason: sink.ReasonDestination, Err: e}
	}
	return e
}

// inView is in the text of an error once for each view that the rows were on their way through: the first makes the rows of flows.
const inView = "while pushing to view"

// ofTheBatch reports whether a batch is at fault itself. All that can be wrong with its bytes shows before they get to a view, and the views
// that come with the tables take any flow: where one fails, somebody changed a table, or has a view of their own that does not take what
// flows already have. They can mend that, while the batch waits. Only of the table flows itself can a batch have too much or what its owner
// does not want, for which the tables are not to blame.
func ofTheBatch(code int, text string) bool {
	views := strings.Count(text, inView)
	switch code {
	case tooManyParts:
		return views <= 1 && strings.Contains(text, tooManyPartitions)
	case violatedConstraint:
		return views <= 1
	case cannotReadAllData:
		return views == 0 && !strings.Contains(text, cutOnTheWay)
	}
	return views == 0 && dataCodes[code] != ""
}
