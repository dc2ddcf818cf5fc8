package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"sigs.k8s.io/yaml"
	// The only parser at hand that keeps repeated keys. Its names are aliases of go.yaml.in/yaml/v2.
	ordered "sigs.k8s.io/yaml/goyaml.v2"
)

// readDocument turns the one YAML or JSON document of a file into encoding/json's types, numbers as json.Number.
func readDocument(b []byte) (any, []Problem) {
	document, err := yaml.YAMLToJSONStrict(b)
	if err != nil {
		if problems := repeatedKeys(b); len(problems) > 0 {
			return nil, problems
		}
		return nil, []Problem{{Message: strings.TrimPrefix(err.Error(), "yaml: ")}}
	}
	if more, err := severalDocuments(b); err != nil {
		return nil, []Problem{{Message: strings.TrimPrefix(err.Error(), "yaml: ")}}
	} else if more {
		return nil, []Problem{{Message: "there is a second document, after a line \"---\": keep one, the others would be ignored"}}
	}
	var tree any
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber() // a float64 would round sizes beyond 2^53
	if err := decoder.Decode(&tree); err != nil {
		return nil, []Problem{{Message: err.Error()}}
	}
	return tree, nil
}

// severalDocuments reports whether anything but empty documents follows the first one.
func severalDocuments(b []byte) (bool, error) {
	decoder := ordered.NewDecoder(bytes.NewReader(b))
	for i := 0; ; i++ {
		var document any
		switch err := decoder.Decode(&document); {
		case errors.Is(err, io.EOF):
			return false, nil
		case err != nil:
			return false, fmt.Errorf("document %d: %w", i+1, err)
		case i > 0 && document != nil:
			return true, nil
		}
	}
}

// repeatedKeys names the keys that stand twice in one mapping. It is empty for a file with other faults.
func repeatedKeys(b []byte) []Problem {
	var document ordered.MapSlice //nolint:staticcheck // see the import
	if ordered.Unmarshal(b, &document) != nil {
		return nil
	}
	return repeatedIn(document, "")
}

func repeatedIn(node any, path string) []Problem {
	var problems []Problem
	switch node := node.(type) {
	case ordered.MapSlice: //nolint:staticcheck // see the import
		seen := make(map[string]int)
		for _, item := range node {
			at := join(path, fmt.Sprint(item.Key))
			if seen[at]++; seen[at] == 2 {
				problems = append(problems, Problem{at, "it stands more than once; keep one"})
			}
			problems = append(problems, repeatedIn(item.Value, at)...)
		}
	case []any:
		for i, item := range node {
			problems = append(problems, repeatedIn(item, fmt.Sprintf("%s[%d]", path, i))...)
		}
	}
	return problems
}
