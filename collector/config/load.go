package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
)

// Problem is one thing wrong with a file.
type Problem struct {
	// Path such as "listeners[1].address"; empty for the file as a whole.
	Path string
	// Message says what is wrong and what would be right.
	Message string
}

// String is one line.
func (p Problem) String() string {
	if p.Path == "" {
		return p.Message
	}
	return p.Path + ": " + p.Message
}

// Invalid is the error for a file with Problems.
type Invalid struct {
	Problems []Problem
}

// Error names all problems, one on a line.
func (e *Invalid) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return "the configuration is invalid:\n  " + strings.Join(lines, "\n  ")
}

// Load reads a file, fills in defaults and checks it. The error is an *Invalid where the content is at fault.
func Load(path string) (*Config, error) {
	c, _, err := LoadFile(path)
	return c, err
}

// LoadFile is Load, and returns what the file held, too.
func LoadFile(path string) (*Config, []byte, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("reading the configuration: %w; \"collector config example\" prints one to begin with", err)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the configuration: %w", err)
	}
	c, problems := Parse(b)
	if len(problems) > 0 {
		return nil, nil, &Invalid{problems}
	}
	return c, b, nil
}

// FileVersion tells files apart by what they hold, byte for byte: 16 hexadecimal digits.
func FileVersion(file []byte) string {
	sum := sha256.Sum256(file)
	return hex.EncodeToString(sum[:8])
}

// Parse reads YAML (or JSON), fills in defaults and checks it. Keys that the schema does not have are problems.
func Parse(b []byte) (*Config, []Problem) {
	var c Config
	if problems := ParseInto(b, &c); len(problems) > 0 {
		return nil, problems
	}
	return &c, nil
}

// File is the content of a configuration file.
type File interface {
	// SetDefaults fills in what the file leaves out.
	SetDefaults()
	// Check reports all problems of a file whose defaults are filled in.
	Check() []Problem
}

// ParseInto is Parse for a file of another schema: a pointer to a struct whose fields have JSON names.
func ParseInto(b []byte, c File) []Problem {
	tree, problems := readDocument(b)
	if len(problems) > 0 {
		return problems
	}
	problems = fill(reflect.ValueOf(c).Elem(), tree, "")
	c.SetDefaults()
	unread := problems
	for _, p := range c.Check() {
		// A field that could not be read has its zero value: what is wrong with that is not the file's fault.
		if !slices.ContainsFunc(unread, func(u Problem) bool { return contains(u.Path, p.Path) || contains(p.Path, u.Path) }) {
			problems = append(problems, p)
		}
	}
	return problems
}

// contains reports whether path is outer or a part of it.
func contains(outer, path string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (outer == "" || rest == "" || rest[0] == '.' || rest[0] == '[')
}

// fill sets v from a decoded JSON value, field by field, so that each problem has its path and none hides another.
func fill(v reflect.Value, tree any, path string) []Problem {
	if tree == nil {
		return nil
	}
	if _, ok := v.Addr().Interface().(json.Unmarshaler); !ok {
		switch v.Kind() {
		case reflect.Pointer:
			v.Set(reflect.New(v.Type().Elem()))
			return fill(v.Elem(), tree, path)
		case reflect.Struct:
			if fields, ok := tree.(map[string]any); ok && v.NumField() > 0 && v.Type().Field(0).Tag.Get("json") != "" {
				return fillStruct(v, fields, path)
			}
		case reflect.Slice:
			if items, ok := tree.([]any); ok {
				var problems []Problem
				v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
				for i, item := range items {
					problems = append(problems, fill(v.Index(i), item, fmt.Sprintf("%s[%d]", path, i))...)
				}
				return problems
			}
			return []Problem{{path, "a list is expected"}}
		}
	}
	b, err := json.Marshal(tree)
	if err != nil {
		return []Problem{{path, err.Error()}}
	}
	decoder := json.NewDecoder(bytes.NewReader(b))
	if err := decoder.Decode(v.Addr().Interface()); err != nil {
		return []Problem{{path, explain(err, b, v.Type())}}
	}
	return nil
}

func fillStruct(v reflect.Value, fields map[string]any, path string) []Problem {
	var problems []Problem
	known := make(map[string]bool)
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		known[name] = true
		if value, ok := fields[name]; ok {
			problems = append(problems, fill(v.Field(i), value, join(path, name))...)
		}
	}
	for _, name := range sorted(fields) {
		if known[name] {
			continue
		}
		message := "there is no such field"
		for candidate := range known {
			if strings.EqualFold(name, candidate) {
				message += "; write it " + candidate
			}
		}
		problems = append(problems, Problem{join(path, name), message})
	}
	return problems
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// explain rewords the errors of encoding/json and netip, which speak of Go's types and functions.
func explain(err error, value []byte, kind reflect.Type) string {
	if len(value) > 40 {
		value = append(value[:40:40], "..."...)
	}
	if kind == reflect.TypeFor[netip.Prefix]() {
		return fmt.Sprintf("a network such as 10.0.0.0/8, 192.0.2.1/32 or \"2001:db8::/32\" is expected, not %s", value)
	}
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return err.Error()
	}
	want := map[reflect.Kind]string{
		reflect.String: "a string", reflect.Bool: "true or false", reflect.Int: "a whole number",
		reflect.Uint32: "a whole number from 0 to 4294967295", reflect.Struct: "a mapping",
	}[kind.Kind()]
	if want == "" {
		want = kind.String()
	}
	return fmt.Sprintf("%s is expected, not %s", want, value)
}
