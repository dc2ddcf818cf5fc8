package clickhouse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/flowfleet/flowfleet/collector/schema"
	"github.com/flowfleet/flowfleet/collector/sink"
)

const (
	connectTimeout = 10 * time.Second
	// maxAnswer is how much of an answer is read: ClickHouse's errors quote what they are about, and say behind it where that was.
	maxAnswer = 1 << 20
	// maxText is how much of an error is kept: its beginning and its end.
	maxText = 4 << 10
	// headerQuery is in each of ClickHouse's answers, and in none of a proxy or a page to log in that stands before it.
	headerQuery = "X-ClickHouse-Query-Id"
)

// Client stores batches in ClickHouse. It is safe for concurrent use.
type Client struct {
	config Config
	http   *http.Client
	// insert flows, and records of the ledger: URLs without the token.
	insert, insertLedger string
	way                  way
	// undone: a profile undoes insert_deduplicate.
	undone atomic.Bool
	// lacks: an insert missed a table since tables were looked for.
	lacks atomic.Bool
	// made is how many statements of createTables were carried out, where the time ended before the others.
	made atomic.Int64
}

var _ sink.Destination = (*Client)(nil)

// New returns a client for a checked configuration. It connects with the first request.
func New(c Config) *Client {
	k := &Client{config: c}
	k.http = &http.Client{
		Timeout:   c.Timeout.Std(),
		Transport: &transport{config: c.TLS, proxy: http.ProxyFromEnvironment},
		// A redirect would have the password, and the batch, go elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	quoted := "`" + c.Database + "`" // behind INTO the words table and function are no names of a database
	k.insert = k.address(url.Values{
		"query":                      {"INSERT INTO " + quoted + ".flows_raw FORMAT Protobuf"},
		"format_schema":              {string(schema.Proto())},
		"format_schema_source":       {"string"},
		"format_schema_message_name": {"FlowMessage"},
		// The answer comes when the rows are stored, whatever a user's profile says.
		"async_insert": {"0"},
		// A batch that comes again is stored once, in flows and in each roll-up: where the first attempt ended between them, too.
		"insert_deduplicate": {"1"},
		"deduplicate_blocks_in_dependent_materialized_views": {"1"},
		// A view that cannot pass its rows on fails the insert.
		"materialized_views_ignore_errors":                    {"0"},
		"ignore_materialized_views_with_dropped_target_table": {"0"},
	})
	k.insertLedger = k.address(url.Values{
		"query":        {"INSERT INTO " + quoted + "." + ledgerTable + " FORMAT JSONEachRow"},
		"async_insert": {"0"}, "insert_deduplicate": {"1"},
		"input_format_skip_unknown_fields": {"1"}, // of a later version's collectors
	})
	return k
}

// whole are settings with which no profile of the user has ClickHouse take a part of the rows for all of them, of an insert and of what its views
// select, or of an answer, or add rows to an answer, or give an earlier one. They are the defaults of each server: where the profile does not say otherwise, no right to change them is needed.
var whole = map[string]string{
	// "break" ends what takes too long, or has too many rows or groups, and says that all went well; "any" leaves groups out.
	"timeout_overflow_mode": "throw", "timeout_overflow_mode_leaf": "throw",
	"group_by_overflow_mode": "throw", "distinct_overflow_mode": "throw", "join_overflow_mode": "throw", "set_overflow_mode": "throw",
	"sort_overflow_mode": "throw", "transfer_overflow_mode": "throw", "result_overflow_mode": "throw",
	"read_overflow_mode": "throw", "read_overflow_mode_leaf": "throw",
	"limit": "0", "offset": "0", "extremes": "0", "use_query_cache": "0",
	"additional_table_filters": "{}", "additional_result_filter": "",
	// Rows that cannot be read are left out of what is stored; and with a batch that was cut on its way the server is busy for ever.
	"input_format_allow_errors_num": "0", "input_format_allow_errors_ratio": "0",
}

func (k *Client) address(parameters url.Values) string {
	for name, value := range whole {
		parameters.Set(name, value)
	}
	parameters.Set("wait_end_of_query", "1")
	return strings.TrimSuffix(k.config.URL, "/") + "/?" + parameters.Encode()
}

// Store inserts a batch.
func (k *Client) Store(ctx context.Context, b sink.Batch) error {
	if !b.Ledger {
		return k.way.through(ctx, k, func() error { return k.put(ctx, k.insert, "flows_raw", &b) })
	}
	return k.put(ctx, k.insertLedger, ledgerTable, &b)
}

// put inserts a batch into a table.
func (k *Client) put(ctx context.Context, insert, table string, b *sink.Batch) error {
	if k.undone.Load() {
		insert += "&deduplicate_insert=enable"
	}
	answer, err := k.post(ctx, insert+"&insert_deduplication_token="+url.QueryEscape(b.Token), b.Payload)
	if err == nil && answer != "" {
		err = fmt.Errorf("%w: an insert has none, and this one got %.80q", sink.ErrUnanswered, answer)
	}
	if err != nil {
		if e := (*exception)(nil); errors.As(err, &e) && e.code == unknownTable {
			k.lacks.Store(true)
		}
		return fmt.Errorf("inserting into %s.%s: %w", k.config.Database, table, err)
	}
	return nil
}

// Check asks for the version of the tables; it makes what they lack first where the configuration asks for that.
func (k *Client) Check(ctx context.Context) (sink.Schema, error) {
	version, err := k.version(ctx)
	if err != nil {
		return sink.Schema{}, err
	}
	if err := k.lookAtProfile(ctx); err != nil {
		return sink.Schema{}, err
	}
	out := sink.Schema{Known: true, Version: version, Wanted: Version}
	view := ""
	if version == Version {
		if view, err = k.way.look(ctx, k); err != nil {
			return sink.Schema{}, err
		}
	}
	lacks := k.lacks.Swap(false)
	if (version < Version || version == Version && (view == "" || lacks)) && k.config.CreateTables { // what they lack is made; what is there stays
		err := k.createTables(ctx)
		var e *exception
		switch {
		case errors.As(err, &e):
			out.Problem = err.Error()
			return out, nil
		case err != nil:
			return sink.Schema{}, err
		}
		if out.Version, err = k.version(ctx); err != nil {
			return sink.Schema{}, err
		}
		if view, err = k.way.look(ctx, k); err != nil {
			return sink.Schema{}, err
		}
	}
	switch out.Version {
	case Version:
		if view == "" {
			out.Problem = k.closed()
		}
	case 0:
		out.Problem = fmt.Sprintf("there are no tables in the database %[1]s: make those that \"collector schema clickhouse --database %[1]s\" prints, or set "+
			"clickhouse.createTables", k.config.Database)
	default:
		out.Problem = Differ(k.config.Database, out.Version, Version)
	}
	return out, nil
}

// Differ says what to do about tables of another version than the wanted one. Nobody makes a later version an earlier one.
func Differ(database string, version, wanted int) string {
	text := fmt.Sprintf("the tables in the database %s have version %d, and %d is needed: ", database, version, wanted)
	if version > wanted {
		return text + "let all sinks of these tables run the image of the latest of them, or name another database"
	}
	return text + fmt.Sprintf("make what they lack, as \"collector schema clickhouse --database %s\" prints it, or set createTables", database)
}

// lookAtProfile finds out whether the user's profile has ClickHouse store each insert that comes again, by a setting that goes before
// insert_deduplicate. Servers that are older than the setting refuse an insert that has it.
func (k *Client) lookAtProfile(ctx context.Context) error {
	answer, err := k.query(ctx, "SELECT getSettingOrDefault('deduplicate_insert', '')")
	var e *exception
	if errors.As(err, &e) && (e.code == unknownFunction || e.code == unknownSetting) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("asking for the user's settings: %w", err)
	}
	k.undone.Store(strings.TrimSpace(answer) == "disable")
	return nil
}

// version of the tables; 0 where there are none.
func (k *Client) version(ctx context.Context) (int, error) {
	answer, err := k.query(ctx, fmt.Sprintf("SELECT version FROM %s.schema_version", k.config.Database))
	var e *exception
	if errors.As(err, &e) && (e.code == unknownTable || e.code == unknownDatabase) {
		return 0, nil
	}
	version := 0
	if err == nil {
		version, err = strconv.Atoi(strings.TrimSpace(answer))
	}
	if err != nil {
		return 0, fmt.Errorf("reading the version of the tables: %w", err)
	}
	return version, nil
}

// createTables goes on where the time of the last check ended: on a cluster each statement waits for all servers, and no check has the time for
// all of them.
func (k *Client) createTables(ctx context.Context) error {
	statements := k.config.Tables().Statements()
	for i := k.made.Swap(0); i < int64(len(statements)); i++ {
		if _, err := k.query(ctx, statements[i]); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				k.made.Store(i)
			}
			first, _, _ := strings.Cut(statements[i], "\n")
			return fmt.Errorf("creating tables: %s: %w", first, err)
		}
	}
	return nil
}

// query runs a statement and returns its answer.
func (k *Client) query(ctx context.Context, statement string) (string, error) {
	return k.post(ctx, k.address(url.Values{}), []byte(statement))
}

func (k *Client) post(ctx context.Context, address string, body []byte) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/octet-stream")
	if k.config.User != "" {
		request.Header.Set("X-ClickHouse-User", k.config.User)
	}
	if k.config.PasswordFile != "" {
		password, err := os.ReadFile(k.config.PasswordFile)
		if err != nil {
			return "", hinted(fmt.Errorf("reading the password: %w", err))
		}
		request.Header.Set("X-ClickHouse-Key", strings.TrimSpace(string(password)))
	}
	response, err := k.http.Do(request)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the URL, which has the whole schema in it
		}
		if errors.As(err, new(*unsent)) {
			return "", hinted(err)
		}
		var dialing *net.OpError
		if errors.As(err, &dialing) && (dialing.Op == "dial" || dialing.Op == "proxyconnect") {
			return "", hinted(fmt.Errorf("connecting to ClickHouse: %w", err))
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return "", fmt.Errorf("%w in time (is ClickHouse overloaded, or does something on the way drop what is sent?): %w", sink.ErrUnanswered, err)
		}
		if strings.HasPrefix(k.config.URL, "https:") && (errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)) {
			// TLS 1.3 tells what is wrong with a client's certificate while the request is on its way, too late to be read.
			return "", fmt.Errorf("%w: %w (the connection was ended: does ClickHouse trust the client certificate of tls, if it wants one?)", sink.ErrUnanswered, err)
		}
		return "", hinted(fmt.Errorf("%w: %w", sink.ErrUnanswered, err))
	}
	defer func() {
		_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer)) // so that the connection can be used again
		_ = response.Body.Close()
	}()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return "", fmt.Errorf("%w: reading it: %w", sink.ErrUnanswered, err)
	}
	err = judge(response.StatusCode, response.Header.Get("X-ClickHouse-Exception-Code"), string(answer))
	if e := (*exception)(nil); errors.As(err, &e) && e.code == 0 && e.status >= http.StatusInternalServerError && response.Header.Get(headerQuery) == "" {
		return "", fmt.Errorf("%w of ClickHouse, but of something on the way to it: %w", sink.ErrUnanswered, err) // which may have passed it on
	}
	if err == nil && response.Header.Get(headerQuery) == "" {
		return "", fmt.Errorf("%w of ClickHouse: something else says %d without %s, so look at the URL and at proxies before it",
			sink.ErrUnanswered, response.StatusCode, headerQuery)
	}
	return string(answer), err
}
