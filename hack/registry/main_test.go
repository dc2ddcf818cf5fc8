package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestGeneratedCodeIsWhatTheRegistryGives(t *testing.T) {
	registry, err := os.ReadFile("ipfix-information-elements.csv")
	if err != nil {
		t.Fatal(err)
	}
	want, err := generate(registry)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../collector/element/registry.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("collector/element/registry.go is out of date: run make generate")
	}
}

func TestAFaultyRegistryIsRefused(t *testing.T) {
	for name, registry := range map[string]string{
		"no date":          "ElementID,Name,Abstract Data Type,Data Type Semantics,Units\n",
		"ids out of order": "# registry date 2024-01-01\nh,h,h,h,h\n2,a,string,default,\n1,b,string,default,\n",
		"no number":        "# registry date 2024-01-01\nh,h,h,h,h\nx,a,string,default,\n",
		"missing column":   "# registry date 2024-01-01\nh,h,h,h,h\n1,a,string\n",
	} {
		if _, err := generate([]byte(registry)); err == nil {
			t.Errorf("%s: accepted: %q", name, strings.TrimSpace(registry))
		}
	}
}
