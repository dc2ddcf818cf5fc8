package element

import "testing"

func TestVendorsElementsHaveNamesAndTypes(t *testing.T) {
	for _, test := range []struct {
		isNetFlow9 bool
		enterprise uint32
		id         uint16
		value      string
		want       string
	}{
		{false, 9, 12235, "\x03\x00\x00\x50\x34\x02www.example.com", `applicationHttpHost "www.example.com"`},
		{false, 9, 12235, "\x03\x00\x00\x50\x34\x02", `applicationHttpHost ""`},
		{false, 9, 12235, "www.example.com", `applicationHttpHost "www.example.com"`},
		{false, 9, 12232, "\x00\x00\x00\x07", `applicationCategoryName 7`},
		{false, 9, 9357, "/a\x00\x00\x05\x00/b\x00\x01\x00", `applicationHttpUriStatistics [{"uri":"/a","hits":5},{"uri":"/b","hits":256}]`},
		{false, 9, 9357, "/a\x00\x00\x05/b\x00\x00\x06\x00", `applicationHttpUriStatistics [{"uri":"/a","hits":5},{"uri":"/b","hits":6}]`},
		{false, 9, 9357, "/a", `applicationHttpUriStatistics "/a"`},
		{false, 9, 9357, "/a\x00\x05", `applicationHttpUriStatistics "/a\u0000\u0005"`},
		{false, 9, 9357, "\x00\x00\x00", `applicationHttpUriStatistics ""`},
		{true, 0, 42125, "/a\x00\x00\x05", `applicationHttpUriStatistics [{"uri":"/a","hits":5}]`},
		{false, 9, 12232, "email\x00\x00\x00", `applicationCategoryName "email"`},
		{false, 9, 9292, "\x00\x00\x00\x09", `artCountResponses 9`},
		{false, 637, 93, "LSN-Host@192.0.2.1", `natSubString "LSN-Host@192.0.2.1"`},
		{false, 2011, 2, "\x00\x09", `egressGponGemPortId 9`},
		{false, 43874, 1, "\x00\x00\x00\x00\x00\x00\x00\x64", `tag 100`},
		{false, 43874, 3, "customer", `label "customer"`},
		{false, 2636, 137, "\x08\x01", `commonPropertiesId {"forwardingException":1}`},
		{false, 2636, 137, "\x18\x00\x01\x68", `commonPropertiesId {"ingressInterface":360}`},
		{false, 2636, 137, "\x04\x00\x01", `commonPropertiesId "040001"`},
		{false, 2636, 137, "\x00\x01", `commonPropertiesId "0001"`},
		{false, 3054, 111, "netflix", `ixiaL7AppName "netflix"`},
		{false, 5951, 130, "/index.html", `netscalerHttpReqUrl "/index.html"`},
		{false, 6871, 33, "\x00\x50", `silkAppLabel 80`},
		{false, 6871, 16384 + 14, "\x02", `reverseInitialTCPFlags 2`},
		{false, 6871, 16384 + 179, "example.com", `reverseDnsQName "example.com"`},
		// YAF's deep packet inspection: text is text, numbers are numbers, and what is neither is bytes.
		{false, 6871, 111, "curl/8.0", `httpUserAgent "curl/8.0"`},
		{false, 6871, 254, "192.0.2.1", `httpX-Forwarded-For "192.0.2.1"`},
		{false, 6871, 166, "hello", `smtpSubject "hello"`},
		{false, 6871, 171, "OpenSSH_9.2", `sshVersion "OpenSSH_9.2"`},
		{false, 6871, 223, "root", `mysqlUsername "root"`},
		{false, 6871, 185, "\x00\x00\x13\x01", `sslCipher 4865`},
		{false, 6871, 245, "\x03", `sslObjectType 3`},
		{false, 6871, 250, "\x08\x00", `sslPublicKeyLength 2048`},
		{false, 6871, 244, "\xfe\x01", `sslCertSerialNumber "fe01"`},
		{false, 6871, 288, "\x03\x03", `sslRecordVersion 771`},
		{false, 6871, 241, "\x01\x01", `dnsFlags 257`},
		{false, 6871, 16384 + 300, "\x00\x5b", `reverseNDPIL7Protocol 91`},
		{false, 6876, 881, "\xc0\x00\x02\x01", `vmwareTenantSourceIPv4 "192.0.2.1"`},
		{false, 10704, 7, "allowed", `ReasonText "allowed"`},
		{false, 25461, 23933, "ssl", `App-ID "ssl"`},
		{false, 26866, 1, "/", `gigamonHttpReqUrl "/"`},
		{false, 35632, 118, "\x00\x25", `L7_PROTO 37`},
		{false, 35632, 180, "/a", `HTTP_URL "/a"`},
		{false, 35632, 274, "\x41\x42\x43\x44", `GTPV2_S2C_S1U_GTPU_TEID 1094861636`},
		{false, 35632, 284, "\xc0\x00\x02\x01", `GTPV2_PDN_IP "192.0.2.1"`},
		{false, 35632, 576, "t13d1516h2_8daaf6152771_b186095e22b6", `JA4C_HASH "t13d1516h2_8daaf6152771_b186095e22b6"`},
		{true, 0, 57981, "\x00\x00\x00\x00\x00\x00\x00\x10", `L7_PROTO_RISK 16`},
		{true, 0, 58032, "\x06", `L7_CONFIDENCE 6`},
		{true, 0, 57723, "\x01", `RADIUS_ACCT_STATUS_TYPE 1`},
		{false, 23867, 22, "LAN", `fromZone "LAN"`},
		{false, 23867, 1, "\xc0\x00\x02\x01", `clientIPv4Address "192.0.2.1"`},
		{false, 16982, 811, "example.com", `tlsServerName "example.com"`},
		{false, 9, 12333, "EXAMPLE\\alice", `nvzFlowLoggedInUser "EXAMPLE\\alice"`},
		{false, 9, 12332, "\xd0\xc8", `nvzFlowUDID "d0c8"`},
		{false, 9, 12347, "\x00\x00\x00\x00\x00\x00\x00\x29", `nvzFlowL4ByteCountOut 41`},
		{false, 9, 9269, "\x00\x00\x00\x07", `serverRetransBytes 7`},
		{false, 9, 12238, "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", `connectionClientIPv6Address "2001:db8::1"`},
		{false, 8057, 808, "example.com", `TLSSNI "example.com"`},
		{false, 8057, 1014, "\x00\x00\x01\x8b\xcf\xe5\x68\x00", `packetTime "2023-11-14T22:13:20Z"`},
		{false, 8057, 1016, "\xff", `packetDirection -1`},
		{false, 12276, 39, "Accept", `action "Accept"`},
		{false, 39499, 338, "example.com", `tlsSni "example.com"`},
		{false, 39499, 201, "\x02\x00\x00\x00\x00\x01", `dhcpHostMacAddr "02:00:00:00:00:01"`},
		{false, 45346, 12236, "\x02", `vcLinkPolicy 2`},
		{false, 45956, 12, "web", `serviceName "web"`},
		{false, 6876, 893, "\xc0\x00\x02\x01", `tunnelSourceIPv4Address "192.0.2.1"`},
		{false, 56506, 101, "web-0", `sourcePodName "web-0"`},
		{false, 4000, 1, "a", `enterprise4000.1 "61"`},
		{true, 0, 57724, "1234", "RADIUS_ACCT_IN_OCTETS 825373492"}, // a number, though its bytes are letters
		{false, 35632, 369, "whois", `EPP_SERVER_NAME "whois"`},
		{false, 3054, 260, "A", "ixiaDnsResponseType 65"}, // of no known type: one byte is a code
		{true, 0, 56701, "ssl\x00\x00", `App-ID "ssl"`},
		{true, 0, 56702, "example\\alice\x00", `User-ID "example\\alice"`},
		{true, 0, 57590, "\x00\x25", `L7_PROTO 37`},
		{true, 0, 57652, "/a", `HTTP_URL "/a"`},
		{true, 0, 45003, "\x03\x00\x00\x50\x34\x02www.example.com", `applicationHttpHost "www.example.com"`},
		{true, 0, 45004, "\xc0\x00\x02\x01", `connectionClientIPv4Address "192.0.2.1"`},
		{true, 0, 42060, "\x00\x00\x00\x09", `artCountResponses 9`},
		{true, 0, 32767 + 1, "a", `element32768 "61"`},
		{false, 0, 45004, "\xc0\x00\x02\x01", `element45004 "c0000201"`},
		{true, 0, 40000, "alice", `NF_F_USERNAME "alice"`},
	} {
		e, known := Lookup(test.enterprise, test.id)
		if test.isNetFlow9 {
			e, known = LookupNetFlow9(test.id)
		}
		got := Name(test.isNetFlow9, test.enterprise, test.id) + " " + string(AppendJSON(nil, e, known, []byte(test.value)))
		if got != test.want {
			t.Errorf("%d.%d: %s, want %s", test.enterprise, test.id, got, test.want)
		}
	}
}

// Rows of names do not say which protocol they came with.
func TestAnEnterprisesElementHasItsOwnNameWhateverTheProtocol(t *testing.T) {
	for _, isNetFlow9 := range []bool{false, true} {
		if got := Name(isNetFlow9, 9, 12232); got != "applicationCategoryName" {
			t.Errorf("with NetFlow v9 %t: %s", isNetFlow9, got)
		}
		if got := Name(isNetFlow9, 4294967294, 82); got != "enterprise4294967294.82" { // and not IANA's interfaceName
			t.Errorf("with NetFlow v9 %t: %s", isNetFlow9, got)
		}
	}
}

func TestSFlowsFieldsHaveNamesAndEncodings(t *testing.T) {
	for _, test := range []struct {
		enterprise uint32
		id         uint16
		value      string
		want       string
	}{
		{SFlowEnterprise, SFlowID(1004, 1), "alice", `extended_user.src_user "alice"`},
		{SFlowEnterprise, SFlowID(1006, 1), "\x03\xe8\x11\xff\x00\x06\x41\xff", `extended_mpls.in_stack [16001,100]`},
		{SFlowEnterprise, SFlowID(1007, 0), "\xcb\x00\x71\x0a", `extended_nat.src_address "203.0.113.10"`},
		{SFlowEnterprise, SFlowID(1012, 0), "\x81\x00\x00\x64\x81\x00\xe0\xc8", `extended_vlantunnel.stack [100,200]`},
		{SFlowEnterprise, SFlowID(1014, 1), "\x02\x00\x00\x00\x00\x01", `extended_80211_rx.bssid "02:00:00:00:00:01"`},
		{SFlowEnterprise, SFlowID(2209, 7), "\x00\x00\x01\x2c", `extended_tcp_info.rtt 300`},
		{SFlowEnterprise, SFlowID(SFlowSample, SampleSource), "\x02\x00\x00\x05", `sample.source_id "2:5"`},
		{SFlowEnterprise, SFlowID(SFlowSample, SampleSource), "\x00\x00\x00\x02\x01\x00\x00\x00", `sample.source_id "2:16777216"`},
		{SFlowEnterprise, SFlowID(SFlowSample, SampleOutputs), "\x80\x00\x00\x07", `sample.outputs 7`},
		{SFlowEnterprise, SFlowID(1011, 7), "\x01", `sflow0.1011 "01"`},
		{4413, 3, "\x01", `sflow4413.3 "01"`},
		{4413, 1, "\x00\x00\x00\x05", `extended_bst_egress_queue.queue 5`},
		{4413, 1, "\x05", `extended_bst_egress_queue.queue "05"`},
	} {
		got := SFlowName(test.enterprise, test.id) + " " + string(AppendSFlowJSON(nil, test.enterprise, test.id, []byte(test.value)))
		if got != test.want {
			t.Errorf("%s, want %s", got, test.want)
		}
	}
	for format := range sflowStructures {
		if n := len(sflowStructures[format].Fields); n > MaxSFlowFields {
			t.Errorf("format %d has %d fields", format, n)
		}
	}
}
