package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"sigs.k8s.io/yaml"
)

// printData prints what programs read, as json or yaml.
func printData(out io.Writer, data any, form string) error {
	if form == "yaml" {
		text, err := yaml.Marshal(data)
		if err == nil {
			_, err = out.Write(text)
		}
		return err
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(data)
}

// newFile makes the file that --output names, for its owner only. One that is there is kept.
func newFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s is there already, and is kept: name another file by --output", path)
	}
	return file, err
}
