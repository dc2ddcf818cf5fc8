package config

import _ "embed"

//go:embed example.yaml
var example []byte

// Example is a complete, commented file, in which every field has its default unless it says otherwise.
func Example() []byte { return example }
