package main

import (
	"encoding/json"
	"io"
)

// newJSONEncoder writes JSON for people and programs: names and conversations keep their "&" and ">", which no page of HTML is made of.
func newJSONEncoder(out io.Writer) *json.Encoder {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder
}
