package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// newFile makes the file that --output names, for its owner only. One that is there is kept.
func newFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s is there already, and is kept: name another file by --output", path)
	}
	return file, err
}
