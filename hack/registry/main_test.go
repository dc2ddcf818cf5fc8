package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestGeneratedCodeIsWhatTheListsGive(t *testing.T) {
	for _, test := range []struct {
		list, code string
		generate   func([]byte) ([]byte, error)
	}{
		{"ipfix-information-elements.csv", "../../collector/element/registry.go", generate},
		{"vendor-elements.csv", "../../collector/element/vendors.go", generateVendors},
	} {
		list, err := os.ReadFile(test.list)
		if err != nil {
			t.Fatal(err)
		}
		want, err := test.generate(list)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(test.code)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is out of date: run make generate", test.code)
		}
	}
}

func TestAFaultyListOfVendorsIsRefused(t *testing.T) {
	for name, list := range map[string]string{
		"empty":                   "h,h,h,h,h\n",
		"enterprise out of order": "h,h,h,h,h\n9,1,a,string,s\n8,1,b,string,s\n",
		"ids out of order":        "h,h,h,h,h\n9,2,a,string,s\n9,1,b,string,s\n",
		"no number":               "h,h,h,h,h\n9,x,a,string,s\n",
		"a name to be escaped":    "h,h,h,h,h\n9,1,\"a b\",string,s\n",
		"no source":               "h,h,h,h,h\n9,1,a,string,\n",
	} {
		if _, err := generateVendors([]byte(list)); err == nil {
			t.Errorf("%s: accepted: %q", name, strings.TrimSpace(list))
		}
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
