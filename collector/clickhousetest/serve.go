package clickhousetest

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Variables of the environment that make a test binary a server.
const (
	storeVariable   = "FLOWFLEET_TEST_CLICKHOUSE_STORE"
	addressVariable = "FLOWFLEET_TEST_CLICKHOUSE_ADDRESS"
	// Not set: its user may do everything.
	configurationVariable = "FLOWFLEET_TEST_CLICKHOUSE_CONFIGURATION"
)

// Socket returns the socket in a store, on which its server listens, too. The path of a socket has at most 107 bytes.
func Socket(store string) string { return filepath.Join(store, "socket") }

// ServeIfAsked makes this process the server of Start, and does not return then. It belongs into TestMain.
func ServeIfAsked() {
	store := os.Getenv(storeVariable)
	if store == "" {
		return
	}
	panic(Serve(os.Getenv(libraryVariable), store, os.Getenv(addressVariable), os.Getenv(configurationVariable)))
}

// Serve makes this process a server of the engine in a library, with its tables in a store, at an address and at the socket Socket(store).
// It prints the address once it listens, and returns only an error. The configuration is a file; where it is empty, the one user may do
// everything.
func Serve(library, store, address, configuration string) error {
	e, err := openEngine(library, store, configuration)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	if err := os.Remove(Socket(store)); err != nil && !os.IsNotExist(err) { // of one that was killed
		return err
	}
	local, err := net.Listen("unix", Socket(store))
	if err != nil {
		return err
	}
	h := &handler{engine: e, data: filepath.Join(store, "insert")}
	fmt.Println(listener.Addr())
	ended := make(chan error, 2)
	for _, l := range []net.Listener{listener, local} {
		go func() { ended <- http.Serve(l, h) }()
	}
	return <-ended
}

// handler is the part of ClickHouse's HTTP interface that a client needs: a statement as body, with default_format as parameter, or an INSERT
// as parameter with its data as body; settings of a SELECT or an INSERT as further parameters; and errors with their code in a header.
type handler struct {
	mu     sync.Mutex // one connection runs one statement
	engine *engine
	data   string // file with what an INSERT inserts
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/ping" {
		_, _ = io.WriteString(w, "Ok.\n")
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone, and nothing was run
	}
	h.mu.Lock()
	out, err := h.run(r.URL.Query(), body)
	h.mu.Unlock()
	w.Header().Set("X-ClickHouse-Query-Id", "00000000-0000-4000-8000-000000000000") // as each answer of a server has one
	if err != nil {
		code := "0"
		if match := exceptionCode.FindStringSubmatch(err.Error()); match != nil {
			code = match[1]
		}
		w.Header().Set("X-ClickHouse-Exception-Code", code)
		w.WriteHeader(cmp.Or(statusOf[code], http.StatusInternalServerError))
		_, _ = fmt.Fprintln(w, err)
		return
	}
	_, _ = w.Write(out)
}

var exceptionCode = regexp.MustCompile(`Code: (\d+)\.`)

// statusOf has the codes that a server answers with another status than 500, as far as tests meet them.
var statusOf = map[string]int{"27": 400, "33": 400, "62": 400, "60": 404, "81": 404}

// run hands a statement to the engine. Data goes by way of a file: behind the statement, the engine would take an empty line for its end.
func (h *handler) run(parameters url.Values, body []byte) ([]byte, error) {
	var settings []string
	for name := range parameters {
		if name != "query" && name != "wait_end_of_query" && name != "default_format" {
			value := "'" + quote.Replace(parameters.Get(name)) + "'"
			if name == "limit" || name == "offset" { // of these a SELECT takes a number only
				value = parameters.Get(name)
			}
			settings = append(settings, name+" = "+value)
		}
	}
	slices.Sort(settings)
	query := parameters.Get("query")
	if query == "" {
		if bytes.HasPrefix(body, []byte("SELECT ")) && len(settings) > 0 {
			body = append(body, "\nSETTINGS "+strings.Join(settings, ", ")...)
		}
		return h.engine.run(body, cmp.Or(parameters.Get("default_format"), "TabSeparated"))
	}
	if err := os.WriteFile(h.data, body, 0o600); err != nil {
		return nil, err
	}
	insert, format, _ := strings.Cut(query, " FORMAT ")
	return h.engine.run([]byte(insert+" FROM INFILE '"+quote.Replace(h.data)+"' SETTINGS "+strings.Join(settings, ", ")+" FORMAT "+format),
		"TabSeparated")
}

var quote = strings.NewReplacer(`\`, `\\`, `'`, `\'`)
