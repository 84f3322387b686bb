@{
    RootModule        = 'Netbootd.psm1'
    ModuleVersion     = '0.1.0'
    GUID              = '5b0e0c1e-3f1c-4b8e-9d7a-6a1f0c9e2d41'
    Description       = 'What a running netbootd shows, and what operators do.'
    PowerShellVersion = '5.1'
    FunctionsToExport = @(
        'Connect-Netbootd', 'Get-NetbootdMachine', 'Get-NetbootdDevice', 'Set-NetbootdDevice',
        'Remove-NetbootdDevice', 'Approve-NetbootdMachine', 'Deny-NetbootdMachine', 'Start-NetbootdBoot',
        'Stop-NetbootdBoot', 'Get-NetbootdExplanation', 'Get-NetbootdImage', 'Import-NetbootdImage'
    )
    CmdletsToExport   = @()
    AliasesToExport   = @()
}
