// Command clickhouse serves ClickHouse's engine (hack/chdb) over HTTP, for the demo: what tests of the sink store into, and no ClickHouse for
// other purposes. It has no users, and runs one statement at a time.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/flowfleet/flowfleet/collector/clickhousetest"
)

func main() {
	library := flag.String("library", "", "path of libchdb.so")
	store := flag.String("store", "", "folder of its tables, which only one such process may have open")
	address := flag.String("address", "127.0.0.1:8123", "where it listens")
	flag.Parse()
	fmt.Fprintln(os.Stderr, "clickhouse:", clickhousetest.Serve(*library, *store, *address, ""))
	os.Exit(1)
}
