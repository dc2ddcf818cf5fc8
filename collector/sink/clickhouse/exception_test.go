package clickhouse

import (
	"errors"
	"net/http"
	"testing"

	"github.com/flowfleet/flowfleet/collector/sink"
)

func TestWhatIsTheBatchsFaultIsRefusedAndAllElseIsWaitedFor(t *testing.T) {
	for text, want := range map[string]bool{
		"Code: 252. DB::Exception: Too many partitions for single INSERT block (more than 100). The limit is controlled by " +
			"'max_partitions_per_insert_block' setting. (TOO_MANY_PARTS)": true,
		"Code: 252. DB::Exception: Too many parts (3000 with average size of 1.00 KiB) in table 'flowfleet.flows'. Merges are processing " +
			"significantly slower than inserts. (TOO_MANY_PARTS)": false,
		"Code: 33. DB::Exception: Cannot read all data. (CANNOT_READ_ALL_DATA)":                                    true,
		"Code: 33. DB::Exception: Unexpected EOF, got 1024 of 4096 bytes. (CANNOT_READ_ALL_DATA)":                  false,
		"Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE)":                  false,
		"Code: 241. DB::Exception: (total) memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)":                         false,
		"Code: 164. DB::Exception: Cannot execute query in readonly mode. (READONLY)":                              false,
		"Code: 242. DB::Exception: Table is in readonly mode. (TABLE_IS_READ_ONLY)":                                false,
		"Code: 497. DB::Exception: sink: Not enough privileges. (ACCESS_DENIED)":                                   false,
		"Code: 6. DB::Exception: Cannot parse string 'a' as UInt8: while pushing to view a.b. (CANNOT_PARSE_TEXT)": false,
		"Code: 252. DB::Exception: Too many partitions for single INSERT block (more than 100): while pushing to view a.own: " +
			"while pushing to view a.flows_from_raw. (TOO_MANY_PARTS)": false,
		"Code: 62. DB::Exception: Syntax error: what stands for single INSERT block is not understood": false,
	} {
		for _, code := range []string{"", codeInText.FindStringSubmatch(text)[1]} {
			var refused *sink.Refusal
			if got := errors.As(judge(http.StatusInternalServerError, code, text+"\n"), &refused); got != want {
				t.Errorf("refused is %v, with code %q in the header: %s", got, code, text)
			}
		}
	}
}
