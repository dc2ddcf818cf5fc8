package names

// elementBits are those of an element's id below its enterprise's number.
const elementBits = 16

// ElementNumber is the number of a row of Elements: of the information element of a private enterprise number and an id below 32768 (RFC 7011
// section 3.2).
func ElementNumber(enterprise uint32, id uint16) uint64 {
	return uint64(enterprise)<<elementBits | uint64(id)
}

// Attributes of rows of Elements, which are elements themselves (RFC 5610 section 3). Their texts are numbers.
const (
	// ElementDataType is informationElementDataType: a number of IANA's registry of data types.
	ElementDataType = 339
	// ElementRangeBegin, ElementRangeEnd, ElementSemantics and ElementUnits say more of its values.
	ElementRangeBegin = 342
	ElementRangeEnd   = 343
	ElementSemantics  = 344
	ElementUnits      = 345
)
