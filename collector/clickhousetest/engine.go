package clickhousetest

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// engine is ClickHouse within the process: libchdb.so, which has its SQL, its formats and its tables, and neither server nor users.
type engine struct {
	connection unsafe.Pointer

	query        func(connection unsafe.Pointer, query *byte, length uintptr, format *byte, formatLength uintptr) unsafe.Pointer
	resultBuffer func(result unsafe.Pointer) *byte
	resultLength func(result unsafe.Pointer) uintptr
	resultError  func(result unsafe.Pointer) string
	destroy      func(result unsafe.Pointer)
}

// openEngine loads the library and opens the directory with the tables, which only one process may have open. A configuration file may say
// what its user may do.
func openEngine(library, directory, configuration string) (*engine, error) {
	handle, err := purego.Dlopen(library, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, fmt.Errorf("loading ClickHouse's engine: %w", err)
	}
	e := &engine{}
	purego.RegisterLibFunc(&e.query, handle, "chdb_query_n")
	purego.RegisterLibFunc(&e.resultBuffer, handle, "chdb_result_buffer")
	purego.RegisterLibFunc(&e.resultLength, handle, "chdb_result_length")
	purego.RegisterLibFunc(&e.resultError, handle, "chdb_result_error")
	purego.RegisterLibFunc(&e.destroy, handle, "chdb_destroy_query_result")
	var connect func(count int32, arguments **byte) *unsafe.Pointer
	purego.RegisterLibFunc(&connect, handle, "chdb_connect")
	words := []string{"clickhouse", "--path=" + directory}
	if configuration != "" {
		words = append(words, "--config-file="+configuration)
	}
	arguments := make([]*byte, 0, len(words)+1)
	for _, word := range words {
		arguments = append(arguments, unsafe.SliceData(append([]byte(word), 0)))
	}
	arguments = append(arguments, nil)
	connection := connect(int32(len(words)), &arguments[0])
	runtime.KeepAlive(arguments)
	if connection == nil || *connection == nil {
		return nil, errors.New("ClickHouse's engine does not open " + directory)
	}
	e.connection = *connection
	return e, nil
}

// run runs one statement, with the data of an INSERT behind it, and returns what it answers.
func (e *engine) run(statement []byte, format string) ([]byte, error) {
	f := append([]byte(format), 0)
	result := e.query(e.connection, unsafe.SliceData(statement), uintptr(len(statement)), &f[0], uintptr(len(format)))
	if result == nil {
		return nil, errors.New("ClickHouse's engine gave no result")
	}
	defer e.destroy(result)
	if message := e.resultError(result); message != "" {
		return nil, errors.New(message)
	}
	n := e.resultLength(result)
	if n == 0 {
		return nil, nil
	}
	return append([]byte(nil), unsafe.Slice(e.resultBuffer(result), n)...), nil
}
