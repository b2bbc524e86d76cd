"""The agent under test and its environment on a node: the CSI driver's side of the provider protocol, tenants, a memory scan."""
