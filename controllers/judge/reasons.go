package judge

import "github.com/flowfleet/flowfleet/api/v1alpha1"

// Reasons of conditions. docs/conditions.md says what to do about each.
const (
	ReasonReady   = "Ready"
	ReasonPending = "Pending"

	ReasonValid                = "Valid"
	ReasonInvalidConfiguration = "InvalidConfiguration"
	ReasonNotAllowed           = "NotAllowed"
	ReasonSecretMissing        = "SecretMissing"
	ReasonSecretInvalid        = "SecretInvalid"
	ReasonSecretsNotReadable   = "SecretsNotReadable"
	ReasonNameTaken            = "NameTaken"
	ReasonRefused              = "Refused"
	ReasonRolloutHeld          = "RolloutHeld"
	ReasonRolloutWaiting       = "RolloutWaiting"

	ReasonAvailable                = "Available"
	ReasonStarting                 = "Starting"
	ReasonNoNodes                  = "NoNodes"
	ReasonUnavailable              = "Unavailable"
	ReasonPartlyUnavailable        = "PartlyUnavailable"
	ReasonRolling                  = "Rolling"
	ReasonSettled                  = "Settled"
	ReasonSuspended                = "Suspended"
	ReasonDeleting                 = "Deleting"
	ReasonContested                = "Contested"
	ReasonRetrying                 = "Retrying"
	ReasonProgressDeadlineExceeded = "ProgressDeadlineExceeded"
	ReasonOperatorForbidden        = "OperatorForbidden"
	ReasonWatchFails               = "WatchFails"
	ReasonOtherOperator            = "OtherOperator"

	ReasonAddressAssigned = "AddressAssigned"
	ReasonAddressPending  = "AddressPending"
	ReasonAddressMissing  = v1alpha1.ReasonAddressMissing
	ReasonNoService       = "NoService"
	ReasonPortsRefused    = "PortsRefused"

	ReasonAddressesKept      = "AddressesKept"
	ReasonClusterTraffic     = "ClusterTrafficPolicy"
	ReasonHostNetwork        = "HostNetwork"
	ReasonInsideCluster      = "InsideCluster"
	ReasonAddressesRewritten = "AddressesRewritten"
	ReasonMaybeRewritten     = "MaybeRewritten"
	ReasonOneSender          = "OneSender"
	ReasonNobodySends        = "NobodySends"

	ReasonDisabled             = "Disabled"
	ReasonReportedByCollectors = "ReportedByCollectors"
	ReasonCollectorsCutOff     = "CollectorsCutOff"
	ReasonNATSUnreachable      = "NATSUnreachable"
	ReasonLookOverdue          = "LookOverdue"
	ReasonBucketConflict       = "BucketConflict"
	ReasonBucketForeign        = "BucketForeign"
	ReasonBucketFailed         = "BucketFailed"
	ReasonStreamConflict       = "StreamConflict"
	ReasonStreamForeign        = "StreamForeign"
	ReasonStreamFailed         = "StreamFailed"
	ReasonSpoolUnusable        = "SpoolUnusable"
	ReasonDifferences          = "ReadyWithDifferences"

	ReasonCollectorsUnreachable = "CollectorsUnreachable"
	ReasonNoCollectors          = "NoCollectors"

	ReasonDistributed      = "Distributed"
	ReasonSingleCollector  = "SingleCollector"
	ReasonTooLittleTraffic = "TooLittleTraffic"

	ReasonNothingLost      = "NothingLost"
	ReasonRecordsDropped   = "RecordsDropped"
	ReasonKernelDrops      = "KernelDrops"
	ReasonSetsUndecodable  = "SetsUndecodable"
	ReasonDatagramsRefused = "DatagramsRefused"

	ReasonGranted        = "Granted"
	ReasonBuffersSmaller = "BuffersSmaller"

	ReasonKeepingUp        = "KeepingUp"
	ReasonReaderBehind     = "ReaderBehind"
	ReasonMessagesLost     = "MessagesLost"
	ReasonStreamReplaced   = "StreamReplaced"
	ReasonNeverRead        = "NeverRead"
	ReasonLagUnknown       = "LagUnknown"
	ReasonConsumerConflict = "ConsumerConflict"
	ReasonConsumerForeign  = "ConsumerForeign"
	ReasonConsumerFailed   = "ConsumerFailed"

	ReasonMonitored   = "Applied"
	ReasonKindMissing = "KindMissing"

	ReasonAsWanted = "AsWanted"

	// reasonOver is of transitions only: a condition that is there while it is True has gone.
	reasonOver = "Over"
)
