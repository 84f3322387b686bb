# A thin layer over netbootd's API: docs/status.md names each path.
Set-StrictMode -Version 3
$script:Url = 'http://127.0.0.1:9167'
$script:Headers = @{}

function Connect-Netbootd {
    <# .SYNOPSIS Remember the status port and an operator's token for this session. #>
    param([string]$Url = 'http://127.0.0.1:9167', [string]$TokenFile)
    $script:Url = $Url.TrimEnd('/')
    $script:Headers = @{}
    if ($TokenFile) {
        $token = (Get-Content -Path $TokenFile -TotalCount 1).Trim()
        $script:Headers = @{ Authorization = "Bearer $token" }
    }
}

function Invoke-Netbootd {
    param([string]$Method, [string]$Path, [System.Collections.IDictionary]$Query = @{}, [byte[]]$Body)
    $pairs = foreach ($name in $Query.Keys) {
        foreach ($value in @($Query[$name])) { '{0}={1}' -f $name, [uri]::EscapeDataString([string]$value) }
    }
    $request = @{ Method = $Method; Uri = "$script:Url/api$Path"; Headers = $script:Headers }
    if ($pairs) { $request.Uri += '?' + ($pairs -join '&') }
    if ($Body) { $request.Body = $Body; $request.ContentType = 'application/octet-stream' }
    Invoke-RestMethod @request
}

function Get-NetbootdMachine {
    <# .SYNOPSIS List recently seen machines, or one with its steps and findings. #>
    param([string]$Mac, [string]$Search, [int]$Limit = 100)
    if ($Mac) { return Invoke-RestMethod -Uri "$script:Url/devices/$Mac" }
    $search = [uri]::EscapeDataString($Search)
    Invoke-RestMethod -Uri "$script:Url/devices?limit=$Limit&search=$search"
}

function Get-NetbootdDevice {
    <# .SYNOPSIS List registered devices, or one of them. #>
    param([string]$Mac)
    if ($Mac) { Invoke-Netbootd GET "/devices/$Mac" } else { Invoke-Netbootd GET '/devices' }
}

function Set-NetbootdDevice {
    <# .SYNOPSIS Register a device, or change it; what is not named stays as it is. #>
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Mandatory)][string]$Mac, [string]$Name, [string[]]$Tags, [string]$Note, [string]$Boot)
    $query = @{}
    if ($PSBoundParameters.ContainsKey('Name')) { $query.name = $Name }
    if ($PSBoundParameters.ContainsKey('Tags')) { $query.tags = $Tags -join ',' }
    if ($PSBoundParameters.ContainsKey('Note')) { $query.note = $Note }
    if ($PSBoundParameters.ContainsKey('Boot')) { $query.boot = $Boot }
    if ($PSCmdlet.ShouldProcess($Mac, 'Register')) { Invoke-Netbootd PUT "/devices/$Mac" $query }
}

function Remove-NetbootdDevice {
    <# .SYNOPSIS Remove a device with everything that is known of it. #>
    [CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'High')]
    param([Parameter(Mandatory)][string]$Mac)
    if ($PSCmdlet.ShouldProcess($Mac, 'Remove')) { Invoke-Netbootd DELETE "/devices/$Mac" }
}

function Approve-NetbootdMachine {
    <# .SYNOPSIS Approve machines that wait for an operator. #>
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Mandatory, ValueFromPipelineByPropertyName)][string[]]$Mac)
    process {
        if ($PSCmdlet.ShouldProcess($Mac -join ', ', 'Approve')) {
            Invoke-Netbootd POST '/machines' @{ action = 'approve'; mac = $Mac }
        }
    }
}

function Deny-NetbootdMachine {
    <# .SYNOPSIS Reject machines that wait for an operator. #>
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Mandatory, ValueFromPipelineByPropertyName)][string[]]$Mac)
    process {
        if ($PSCmdlet.ShouldProcess($Mac -join ', ', 'Reject')) {
            Invoke-Netbootd POST '/machines' @{ action = 'reject'; mac = $Mac }
        }
    }
}

function Start-NetbootdBoot {
    <# .SYNOPSIS Let a machine boot something else next: an image, a file, or disk. #>
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Mandatory)][string]$Mac, [Parameter(Mandatory)][string]$Target, [string]$Until)
    $query = @{ target = $Target }
    if ($Until) { $query.until = $Until } else { $query.once = 'true' }
    if ($PSCmdlet.ShouldProcess($Mac, "Boot $Target next")) { Invoke-Netbootd POST "/machines/$Mac/boot" $query }
}

function Stop-NetbootdBoot {
    <# .SYNOPSIS Take back what a machine was to boot next. #>
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Mandatory)][string]$Mac)
    if ($PSCmdlet.ShouldProcess($Mac, 'Boot as usual')) { Invoke-Netbootd DELETE "/machines/$Mac/boot" }
}

function Get-NetbootdExplanation {
    <# .SYNOPSIS Explain what a machine would get now, and why, with the files that its boot goes through. #>
    param([Parameter(Mandatory)][string]$Mac, [string]$Class, [string]$Arch)
    $query = @{}
    if ($Class) { $query.class = $Class }
    if ($Arch) { $query.arch = $Arch }
    Invoke-Netbootd GET "/machines/$Mac/chain" $query
}

function Get-NetbootdImage {
    <# .SYNOPSIS List images, or show one with its versions and files. #>
    param([string]$Name)
    if ($Name) { Invoke-Netbootd GET "/images/$([uri]::EscapeDataString($Name))" } else { Invoke-Netbootd GET '/images' }
}

function Import-NetbootdImage {
    <# .SYNOPSIS Upload an image in pieces of 8 MiB, and import it. Run again after a failure: it goes on. #>
    [CmdletBinding(SupportsShouldProcess)]
    param([Parameter(Mandatory)][string]$Path, [string]$Sha256, [string]$Image)
    $file = Get-Item -Path $Path
    if (-not $PSCmdlet.ShouldProcess($file.Name, 'Upload')) { return }
    $query = @{ file = $file.Name; size = $file.Length }
    if ($Sha256) { $query.sha256 = $Sha256 }
    if ($Image) { $query.image = $Image }
    $upload = Invoke-Netbootd POST '/uploads' $query
    $stream = [IO.File]::OpenRead($file.FullName)
    try {
        while ($upload.offset -lt $file.Length) {
            $null = $stream.Seek($upload.offset, [IO.SeekOrigin]::Begin)
            $piece = [byte[]]::new([Math]::Min(8MB, $file.Length - $upload.offset))
            $read = 0
            while ($read -lt $piece.Length) { $read += $stream.Read($piece, $read, $piece.Length - $read) }
            $upload = Invoke-Netbootd PUT "/uploads/$($upload.id)" @{ offset = $upload.offset } $piece
            Write-Progress -Activity "Uploading $($file.Name)" -PercentComplete (100 * $upload.offset / $file.Length)
        }
    } finally {
        $stream.Dispose()
    }
    Invoke-Netbootd POST "/uploads/$($upload.id)/finish"
}
