package config

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Size is a number of bytes, written as an integer or with a binary unit ("64Ki", "32Mi", "10Gi").
type Size int64

var sizeUnits = []struct {
	suffix string
	factor int64
}{{"Ti", 1 << 40}, {"Gi", 1 << 30}, {"Mi", 1 << 20}, {"Ki", 1 << 10}}

// String renders s with the largest unit that divides it.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && int64(s)%u.factor == 0 {
			return strconv.FormatInt(int64(s)/u.factor, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// MarshalJSON writes s as a string.
func (s Size) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// UnmarshalJSON reads an integer or a string such as "32Mi" ("32MiB" and "-1" are accepted too). It returns an error for
// anything else and for what does not fit 63 bits.
func (s *Size) UnmarshalJSON(b []byte) error {
	text := strings.TrimSuffix(strings.Trim(string(b), `"`), "B")
	factor := int64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(text, u.suffix); ok {
			text, factor = rest, u.factor
			break
		}
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v > (1<<63-1)/factor || v < -(1<<63-1)/factor {
		return fmt.Errorf("%s is not a size such as 65536, \"64Ki\" or \"32Mi\"", b)
	}
	*s = Size(v * factor)
	return nil
}
