"""The agent under test and what stands around it on a node: the CSI driver's side of the provider protocol, tenants, a memory scan."""
