package status

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// pageReader is a page whose list is read one exporter at a time: a MiB of "{},{}" would become fifty times as much before it could be
// counted. Its List stands in for that of Exporters.
type pageReader struct {
	Exporters
	List exporterList `json:"exporters"`
}

type exporterList []Exporter

// UnmarshalJSON implements json.Unmarshaler.
func (l *exporterList) UnmarshalJSON(text []byte) error {
	*l = nil
	return each(text, "exporters", MaxExporters, func(d *json.Decoder) error {
		one := struct {
			Exporter
			List streamList `json:"streams"`
		}{}
		err := d.Decode(&one)
		one.Streams = one.List
		*l = append(*l, one.Exporter)
		return err
	})
}

type streamList []Stream

// UnmarshalJSON implements json.Unmarshaler.
func (l *streamList) UnmarshalJSON(text []byte) error {
	*l = nil
	return each(text, "sequences of one exporter", MaxStreams, func(d *json.Decoder) error {
		one := Stream{}
		err := d.Decode(&one)
		*l = append(*l, one)
		return err
	})
}

// each reads an array of up to so many of what, and stops at the next.
func each(text []byte, what string, most int, read func(*json.Decoder) error) error {
	d := json.NewDecoder(bytes.NewReader(text))
	begin, err := d.Token()
	if err != nil || begin == nil { // null
		return err
	}
	if begin != json.Delim('[') {
		return errors.New("it is no list")
	}
	for n := 0; d.More(); n++ {
		if n == most {
			return tooMany{what, most}
		}
		if err := read(d); err != nil {
			return err
		}
	}
	return nil
}

// tooMany is what a list has that is longer than it may be.
type tooMany struct {
	what string
	most int
}

func (e tooMany) Error() string { return fmt.Sprintf("the page has more than %d %s", e.most, e.what) }
